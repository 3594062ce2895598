/* fuzz_web_host.c: what a request's Host may be, on any bytes: no name but those listed gets
 * through, however it is dressed up. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct web_hosts hosts;
    if (hosts.count == 0) {
        static const char *const further[] = {"metrics.example", NULL};
        web_hosts_init(&hosts, further);
        hosts.count = 0; /* not the name of the machine that runs this */
        memcpy(hosts.name[hosts.count++], "metrics.example", sizeof("metrics.example"));
    }
    char *value = malloc(size + 1);
    if (!value) {
        return 0;
    }
    memcpy(value, data, size);
    value[size] = '\0';
    if (web_host_allowed(&hosts, value)) {
        /* an address, or the name with a dot or a port behind it */
        static const char name[] = "metrics.example";
        size_t plain = strspn(value, "0123456789abcdefABCDEF:.[]");
        if (strncasecmp(value, name, sizeof(name) - 1) == 0) {
            const char *rest = value + sizeof(name) - 1;
            rest += *rest == '.' ? 1 : 0;
            plain = (size_t)(rest - value) + strspn(rest, ":0123456789");
        }
        if (plain != strlen(value)) {
            abort();
        }
    }
    free(value);
    return 0;
}
