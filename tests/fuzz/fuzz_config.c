/* fuzz_config.c: any text as configuration. Refused means with a reason; accepted means that its
 * dump reads back to the same dump. */
#include "fh/buf.h"
#include "fh/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig 1.5 forgets the string of a statement it cannot parse. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

static void expect(int truth)
{
    if (!truth) {
        abort();
    }
}

static void check_dump(const struct fh_config *config)
{
    static struct fh_config again;
    static struct fh_config_findings findings;
    struct fh_buf first;
    struct fh_buf second;
    fh_buf_init(&first, 1 << 20);
    fh_buf_init(&second, 1 << 20);
    expect(fh_config_dump(config, &first) == 0);
    expect(fh_config_parse(fh_buf_string(&first), "dump", &again, &findings) == 0);
    expect(fh_config_dump(&again, &second) == 0);
    expect(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    fh_buf_done(&first);
    fh_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fh_config config;
    static struct fh_config_findings findings;
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    int r = fh_config_parse(text, "fuzz.conf", &config, &findings);
    free(text);
    expect(findings.count <= FH_ARRAY_LEN(findings.finding));
    for (size_t i = 0; i < findings.count; i++) {
        expect(strlen(findings.finding[i].text) < sizeof(findings.finding[i].text));
        expect(!strchr(findings.finding[i].text, '\n'));
    }
    if (r < 0) {
        expect(findings.count > 0);
    } else {
        check_dump(&config);
    }
    return 0;
}
