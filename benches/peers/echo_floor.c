// The floor: sends each UDP packet back with QR and AA set, by recvmmsg and sendmmsg. It does
// nothing else, so what it costs is what any server on the kernel's sockets costs at least.
//
//   echo_floor -p PORT [-t THREADS] [-b BATCH] [-6]
//     -t  one SO_REUSEPORT socket each
//     -6  listens on [::] with IPV6_RECVPKTINFO and answers from the address that was asked, as a
//         server on a wildcard has to; otherwise on 127.0.0.1
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BATCH 256
#define MAX_PACKET 2048

static int port, batch = 32, threads = 1, wildcard = 0;

union control {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void set(int fd, int level, int option, int value) {
    if (setsockopt(fd, level, option, &value, sizeof value)) fail("setsockopt");
}

static int bound_socket(void) {
    int fd = socket(wildcard ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    // As servers do: more queries are under way than the kernel's default has room for.
    int room = 1 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
        set(fd, SOL_SOCKET, SO_RCVBUF, room);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (wildcard) {
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        if (bind(fd, (void *)&any, sizeof any)) fail("bind");
    } else if (bind(fd, (void *)&v4, sizeof v4)) {
        fail("bind");
    }
    return fd;
}

// Makes an answer of a query; 0 for what is no DNS message.
static size_t answer(unsigned char *packet, unsigned length) {
    if (length < 12) return 0;
    packet[2] |= 0x84;
    packet[3] = 0;
    return length;
}

__attribute__((noreturn)) static void *serve(void *unused) {
    (void)unused;
    static __thread unsigned char packets[MAX_BATCH][MAX_PACKET];
    static __thread union control controls[MAX_BATCH];
    static __thread struct sockaddr_in6 sources[MAX_BATCH];
    static __thread struct iovec vectors[MAX_BATCH];
    static __thread struct mmsghdr messages[MAX_BATCH];
    int fd = bound_socket();
    for (int i = 0; i < batch; i++) {
        vectors[i].iov_base = packets[i];
        struct msghdr *m = &messages[i].msg_hdr;
        m->msg_iov = &vectors[i];
        m->msg_iovlen = 1;
        m->msg_name = &sources[i];
        m->msg_control = wildcard ? &controls[i] : NULL;
    }
    for (;;) {
        for (int i = 0; i < batch; i++) {
            vectors[i].iov_len = MAX_PACKET;
            messages[i].msg_hdr.msg_namelen = sizeof sources[i];
            messages[i].msg_hdr.msg_controllen = wildcard ? sizeof controls[i] : 0;
        }
        int count = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
        // What came with the packet, the asked address, goes back as the one to answer from.
        for (int i = 0; i < count; i++) vectors[i].iov_len = answer(packets[i], messages[i].msg_len);
        for (int done = 0; done < count;) {
            int sent = sendmmsg(fd, messages + done, count - done, 0);
            if (sent <= 0) break;
            done += sent;
        }
    }
}

int main(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "p:t:b:6")) != -1;) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 't': threads = atoi(optarg); break;
        case 'b': batch = atoi(optarg); break;
        case '6': wildcard = 1; break;
        default: return 2;
    }
    if (port < 1 || batch < 1 || batch > MAX_BATCH) {
        fprintf(stderr, "echo_floor -p PORT [-t THREADS] [-b BATCH up to %d] [-6]\n", MAX_BATCH);
        return 2;
    }
    for (int i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, NULL)) fail("pthread_create");
    }
    serve(NULL);
}
