/* world_random.h: the simulated world's own pseudo-random numbers: one mixing function
 * (splitmix64's finaliser) and a sequence made of it. Never seeded from a clock: the seed decides
 * everything. */
#ifndef SIM_WORLD_RANDOM_H
#define SIM_WORLD_RANDOM_H

#include <stdint.h>

static inline uint64_t sim_mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

/* Two inputs, such as a purpose and an index; any change of either changes everything. */
static inline uint64_t sim_mix2(uint64_t first, uint64_t second)
{
    return sim_mix(sim_mix(first) ^ second);
}

/* A bijection of 32 bits: different inputs never meet, so identifiers made of it are unique. */
static inline uint32_t sim_scatter32(uint32_t value)
{
    value ^= value >> 16;
    value *= 0x85ebca6bU;
    value ^= value >> 13;
    value *= 0xc2b2ae35U;
    return value ^ (value >> 16);
}

/* FNV-1a, finished by sim_mix: the stable hash behind partitions. */
static inline uint64_t sim_hash_text(const char *text, uint64_t length)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (uint64_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
    }
    return sim_mix(hash);
}

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    return sim_mix(random->state++);
}

/* 0 .. limit-1; limit 0 gives 0. */
static inline uint32_t sim_random_below(struct sim_random *random, uint32_t limit)
{
    return (uint32_t)(((sim_random_next(random) >> 32) * limit) >> 32);
}

static inline uint32_t sim_random_between(struct sim_random *random, uint32_t low, uint32_t high)
{
    return low + sim_random_below(random, high - low + 1);
}

/* True in part of 1000 cases. */
static inline int sim_random_permille(struct sim_random *random, uint32_t part)
{
    return sim_random_below(random, 1000) < part;
}

#endif
