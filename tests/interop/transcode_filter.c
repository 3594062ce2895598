/* transcode_filter.c: records on standard input, each after its length (4 bytes, little endian);
 * their JSON on standard output, a line each; "! reason" for one that is refused. */
#include "fh/transcode.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const char *why)
{
    fprintf(stderr, "transcode_filter: %s\n", why);
    exit(1);
}

int main(int argc, char **argv)
{
    static uint8_t record[1 << 20];
    struct fh_schema *schema = NULL;
    struct fh_transcoder *transcoder = NULL;
    struct fh_error err = {.text = "out of memory"};
    if (fh_schema_open(argc > 1 ? argv[1] : NULL, &schema, &err) < 0 ||
        fh_transcoder_new(schema, NULL, &transcoder) < 0) {
        die(err.text);
    }
    struct fh_buf line;
    fh_buf_init(&line, (size_t)16 << 20);
    uint8_t prefix[4];
    while (fread(prefix, 1, sizeof(prefix), stdin) == sizeof(prefix)) {
        size_t len = (size_t)prefix[0] | (size_t)prefix[1] << 8 | (size_t)prefix[2] << 16 |
                     (size_t)prefix[3] << 24;
        if (len > sizeof(record) || fread(record, 1, len, stdin) != len) {
            die("a record is cut short or too long");
        }
        fh_buf_clear(&line);
        enum fh_transcode_result result = fh_transcode(transcoder, record, len, &line, NULL);
        if (result == FH_TRANSCODE_OK) {
            printf("%.*s\n", (int)line.len, line.data);
        } else {
            printf("! %s\n", fh_transcode_reason(result));
        }
    }
    fh_buf_done(&line);
    fh_transcoder_free(transcoder);
    fh_schema_free(schema);
    return 0;
}
