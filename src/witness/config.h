/* config.h: the configuration of firehose-witness as a plain struct. Owns nothing. */
#ifndef FH_WITNESS_CONFIG_H
#define FH_WITNESS_CONFIG_H

#include "fh/err.h"

#include <stddef.h>
#include <stdint.h>

#define WITNESS_PAIRS_MAX     64
#define WITNESS_ADDRESSES_MAX 4
#define WITNESS_PATH_MAX      512

struct witness_config_pair {
    char name[64];
    char public_key[2][41]; /* Z85 */
    int line;
};

struct witness_config {
    char listen[WITNESS_ADDRESSES_MAX][256];
    size_t listen_count;
    char secret_key_file[WITNESS_PATH_MAX];
    char state_dir[WITNESS_PATH_MAX];
    int64_t ttl_max_ms;
    int level; /* of syslog(3) */
    struct witness_config_pair pair[WITNESS_PAIRS_MAX];
    size_t pair_count;
};

/* Called once per finding: "FILE:LINE: what is wrong and what to write instead". */
typedef void (*witness_finding)(void *userdata, const char *text);

/* 0, or -EINVAL after at least one finding (-ENOENT, -EACCES when the file cannot be read). */
int witness_config_load(const char *path, struct witness_config *ret, witness_finding finding,
                        void *userdata);

#endif
