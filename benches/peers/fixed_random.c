// getrandom() that gives the same octets in each run, for LD_PRELOAD. Hash seeds are random in each
// process, and how many names collide is luck: it moves the instructions of an absent name by a tenth
// and more. FIXED_RANDOM in the environment chooses the octets.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
    (void)flags;
    const char *chosen = getenv("FIXED_RANDOM");
    uint64_t state = (chosen ? strtoull(chosen, NULL, 10) : 0) + 1;
    for (size_t at = 0; at < length; at += sizeof state) {
        // SplitMix64
        state += 0x9e3779b97f4a7c15u;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy((char *)buffer + at, &z, length - at < sizeof z ? length - at : sizeof z);
    }
    return length;
}
