/* cjson_loop.c: the usual consumer, for comparison: lines from standard input, each parsed by
 * cJSON, three members picked out, the line written to standard output. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned long records = 0;
    for (ssize_t len; (len = getline(&line, &capacity, stdin)) > 0;) {
        cJSON *record = cJSON_ParseWithLength(line, (size_t)len);
        if (record && cJSON_GetObjectItemCaseSensitive(record, "recordUid") &&
            cJSON_GetObjectItemCaseSensitive(record, "recordTimestamp") &&
            cJSON_GetObjectItemCaseSensitive(record, "eventType")) {
            records++;
            fwrite(line, 1, (size_t)len, stdout);
        }
        cJSON_Delete(record);
    }
    free(line);
    fprintf(stderr, "%lu records\n", records);
    return 0;
}
