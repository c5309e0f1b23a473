// A DNS load generator that costs less than the servers it loads: it sends ready packets in batches
// over a few sockets and checks RCODE and ANCOUNT of every answer. One JSON object tells the result.
//
//   udpblast -p PORT -d FILE [-c SOCKETS] [-w WINDOW] [-l SECONDS] [-n QUERIES] [-Q RATE]
//            [-o OFFSET] [-t TIMEOUT_MS] [-B] [-X]
//     -d  lines "SOURCE NAME TYPE RCODE ANCOUNT"; SOURCE is an address of 127.0.0.0/8, or - for
//         the socket's own. Either all lines have a source or none
//     -w  queries in flight: the next is sent when an answer has come
//     -Q  queries a second instead, at most -w in flight; a query's latency counts from when it
//         was due, so that none is hidden by a server that keeps the client waiting
//     -o  starts at this line: short runs must not ask a cache the same few names again
//     -B  waits in ppoll when nothing has arrived, instead of spinning
//     -X  checks no answer (for echo servers)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MAX_ANSWER 4096
#define MAX_QUERY 300
#define IDS 65536  // each socket's, and so its outstanding queries at most
#define STEPS 32   // of the latency histogram between two powers of two

struct query {
    uint8_t *packet;
    uint32_t source;
    uint16_t length, answers;
    uint8_t rcode;
};
struct pending {
    uint64_t since;
    uint32_t query;
    uint8_t waits;
};
struct channel {
    int fd;
    uint32_t oldest, next, inflight;
    struct pending *pending;  // by ID
};
union control {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr header;
};

static struct query *queries;
static size_t query_count, current;
static int checked = 1, sources = 0, wait_in_poll = 0;
static double rate = 0;
static uint64_t began, now, limit, timeout;
static uint64_t sent, received, lost, late, wrong, first_wrong;
static uint64_t histogram[64 * STEPS];

static struct mmsghdr incoming[BATCH], outgoing[BATCH];
static uint8_t answers[BATCH][MAX_ANSWER], packets[BATCH][MAX_QUERY];
static union control controls[BATCH];

static void fail(const char *what, const char *which) {
    fprintf(stderr, "udpblast: %s: %s\n", what, which);
    exit(1);
}

static uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static int type_number(const char *name) {
    static const struct { const char *name; int number; } types[] = {
        {"A", 1}, {"PTR", 12}, {"AAAA", 28}, {"SRV", 33}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(name, types[i].name)) return types[i].number;
    fail("unknown type", name);
    return 0;
}

// Writes the query as stub resolvers send it, RD set and ID 0, and returns its length.
static int write_query(uint8_t *packet, char *name, int type) {
    static const uint8_t header[12] = {0, 0, 1, 0, 0, 1};
    memcpy(packet, header, sizeof header);
    int at = sizeof header;
    for (char *label = strtok(name, "."); label; label = strtok(NULL, ".")) {
        size_t length = strlen(label);
        if (length > 63 || at + length + 6 > MAX_QUERY) fail("a name is too long", label);
        packet[at++] = length;
        memcpy(packet + at, label, length);
        at += length;
    }
    const uint8_t tail[5] = {0, type >> 8, type, 0, 1};
    memcpy(packet + at, tail, sizeof tail);
    return at + sizeof tail;
}

static void load(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail("can't be read", path);
    char source[64], name[512], type[16];
    unsigned rcode, count;
    size_t room = 0;
    while (fscanf(file, "%63s %511s %15s %u %u", source, name, type, &rcode, &count) == 5) {
        if (query_count == room)
            queries = realloc(queries, (room = room ? room * 2 : 4096) * sizeof *queries);
        struct query *q = &queries[query_count++];
        *q = (struct query){.rcode = rcode, .answers = count};
        int named = strcmp(source, "-") != 0;
        if (named && (inet_pton(AF_INET, source, &q->source) != 1 || ntohl(q->source) >> 24 != 127))
            fail("not an address of 127.0.0.0/8", source);
        if (query_count > 1 && named != sources) fail("only some lines have a source", path);
        sources = named;
        uint8_t packet[MAX_QUERY];
        q->length = write_query(packet, name, type_number(type));
        q->packet = malloc(q->length);
        memcpy(q->packet, packet, q->length);
    }
    if (!feof(file) || !query_count) fail("a line is not SOURCE NAME TYPE RCODE ANCOUNT", path);
    fclose(file);
}

static int bucket(uint64_t ns) {
    if (ns < STEPS) return ns;
    int power = 63 - __builtin_clzll(ns);
    return (power - 4) * STEPS + ((ns >> (power - 5)) & (STEPS - 1));
}

static double bucket_ns(int i) {
    if (i < STEPS) return i;
    int shift = i / STEPS - 1;
    return (double)((uint64_t)(STEPS + i % STEPS) << shift) + (double)(1ull << shift) / 2;
}

static double percentile_us(double part) {
    uint64_t wanted = received * part, count = 0;
    for (int i = 0; i < 64 * STEPS; i++)
        if ((count += histogram[i]) > wanted) return bucket_ns(i) / 1000;
    return 0;
}

static void take(struct channel *c, const uint8_t *answer, int length) {
    struct pending *p = length < 12 ? NULL : &c->pending[answer[0] << 8 | answer[1]];
    if (!p || !p->waits) {
        late++;
        return;
    }
    p->waits = 0;
    c->inflight--;
    received++;
    histogram[bucket(now > p->since ? now - p->since : 0)]++;
    const struct query *q = &queries[p->query];
    int expected = (answer[3] & 15) == q->rcode && (answer[6] << 8 | answer[7]) == q->answers;
    // TC is never right: no answer that is asked for here is too long.
    if (!(answer[2] & 0x80) || answer[2] & 2 || length < q->length || (checked && !expected)) {
        if (!wrong++) first_wrong = p->query + 1;
    }
}

static int receive(struct channel *c) {
    int count = c->inflight ? recvmmsg(c->fd, incoming, BATCH, MSG_DONTWAIT, NULL) : 0;
    now = clock_ns();
    for (int i = 0; i < count; i++) take(c, answers[i], incoming[i].msg_len);
    return count > 0 ? count : 0;
}

// Gives up what waits too long, the oldest first.
static void expire(struct channel *c) {
    for (; c->oldest != c->next; c->oldest++) {
        struct pending *p = &c->pending[c->oldest % IDS];
        if (!p->waits) continue;
        int full = c->next - c->oldest >= IDS - BATCH;
        if (!full && (now < p->since || now - p->since < timeout)) return;
        p->waits = 0;
        c->inflight--;
        lost++;
    }
}

// When the n-th query after those that were sent is due.
static uint64_t due(int n) { return began + (uint64_t)((sent + n) / rate * 1e9); }

static int may_send(const struct channel *c, int window, int channels, uint64_t maximum) {
    int64_t room = window - (int64_t)c->inflight, free_ids = IDS - BATCH - (int64_t)(c->next - c->oldest);
    if (room > free_ids) room = free_ids;
    if (room > BATCH) room = BATCH;
    if (maximum && room > (int64_t)(maximum - sent)) room = maximum - sent;
    if (rate > 0) {
        int64_t owed = (int64_t)((now - began) * 1e-9 * rate) - (int64_t)sent;
        int64_t share = owed > 0 ? (owed + channels - 1) / channels : 0;
        if (room > share) room = share;
    }
    return room > 0 ? room : 0;
}

static void send_some(struct channel *c, int count) {
    for (int i = 0; i < count; i++) {
        const struct query *q = &queries[current];
        uint16_t id = c->next++ % IDS;
        memcpy(packets[i], q->packet, q->length);
        packets[i][0] = id >> 8;
        packets[i][1] = id;
        outgoing[i].msg_hdr.msg_iov->iov_len = q->length;
        if (sources) {
            struct in_pktinfo from = {.ipi_spec_dst.s_addr = q->source};
            memcpy(CMSG_DATA(&controls[i].header), &from, sizeof from);
        }
        c->pending[id] = (struct pending){rate > 0 ? due(i + 1) : now, current, 1};
        if (++current == query_count) current = 0;
    }
    int done = sendmmsg(c->fd, outgoing, count, 0);
    if (done < 0) done = 0;
    for (int i = done; i < count; i++) {  // take back what didn't go out
        c->pending[--c->next % IDS].waits = 0;
        current = current ? current - 1 : query_count - 1;
    }
    c->inflight += done;
    sent += done;
}

static void prepare(struct channel *channels, int count, struct sockaddr_in *server) {
    static struct iovec in[BATCH], out[BATCH];
    for (int i = 0; i < BATCH; i++) {
        in[i] = (struct iovec){answers[i], MAX_ANSWER};
        out[i] = (struct iovec){packets[i], 0};
        incoming[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
        outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
        if (sources) {
            size_t length = CMSG_LEN(sizeof(struct in_pktinfo));
            controls[i].header = (struct cmsghdr){length, IPPROTO_IP, IP_PKTINFO};
            outgoing[i].msg_hdr.msg_name = server;
            outgoing[i].msg_hdr.msg_namelen = sizeof *server;
            outgoing[i].msg_hdr.msg_control = &controls[i];
            outgoing[i].msg_hdr.msg_controllen = sizeof controls[i];
        }
    }
    for (int i = 0; i < count; i++) {
        int size = 1 << 20;
        channels[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
        channels[i].pending = calloc(IDS, sizeof *channels[i].pending);
        setsockopt(channels[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        // With sources the socket stays unconnected: each packet then has its own.
        if (!sources && connect(channels[i].fd, (void *)server, sizeof *server))
            fail("connect", "127.0.0.1");
    }
}

int main(int argc, char **argv) {
    const char *path = NULL;
    int port = 0, count = 16, window = 128;
    double seconds = 1;
    uint64_t maximum = 0;
    timeout = 1000;
    for (int o; (o = getopt(argc, argv, "p:d:c:w:l:n:Q:o:t:BX")) != -1;) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 'd': path = optarg; break;
        case 'c': count = atoi(optarg); break;
        case 'w': window = atoi(optarg); break;
        case 'l': seconds = atof(optarg); break;
        case 'n': maximum = strtoull(optarg, NULL, 10); break;
        case 'Q': rate = atof(optarg); break;
        case 'o': current = strtoull(optarg, NULL, 10); break;
        case 't': timeout = atoi(optarg); break;
        case 'B': wait_in_poll = 1; break;
        case 'X': checked = 0; break;
        default: return 2;
    }
    if (!path || !port || count < 1) fail("needed", "-p PORT and -d FILE");
    load(path);
    prctl(PR_SET_TIMERSLACK, 1);
    current %= query_count;
    timeout *= 1000000;
    window = window > count ? window / count : 1;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct channel *channels = calloc(count, sizeof *channels);
    struct pollfd *readable = calloc(count, sizeof *readable);
    prepare(channels, count, &server);
    for (int i = 0; i < count; i++) readable[i] = (struct pollfd){channels[i].fd, POLLIN, 0};

    began = now = clock_ns();
    limit = began + (uint64_t)(seconds * 1e9);
    uint64_t last = began, waiting = 0;
    for (int idle = 0, ending = 0; !ending || (waiting && now - last <= timeout);) {
        int got = 0;
        waiting = 0;
        for (int i = 0; i < count; i++) {
            struct channel *c = &channels[i];
            got += receive(c);
            expire(c);
            int room = ending ? 0 : may_send(c, window, count, maximum);
            if (room) send_some(c, room);
            waiting += c->inflight;
        }
        if (got) last = now;
        idle = got ? 0 : idle + 1;
        if (idle > 4 && wait_in_poll) {  // until something arrives or the next query is due
            int64_t pause = rate > 0 && !ending ? (int64_t)due(1) - (int64_t)clock_ns() : 1000000;
            struct timespec t = {0, pause < 1000000 ? pause : 1000000};
            if (pause > 0) ppoll(readable, count, &t, NULL);
        }
        if (!ending && (now >= limit || (maximum && sent >= maximum))) ending = 1, last = now;
    }
    lost += waiting;
    printf("{\"sent\":%lu,\"received\":%lu,\"lost\":%lu,\"late\":%lu,\"wrong\":%lu,"
           "\"first_wrong\":%lu,\"seconds\":%.6f,\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
           sent, received, lost, late, wrong, first_wrong, (last - began) * 1e-9,
           percentile_us(.5), percentile_us(.99));
}
