/* kafka-collect: everything that is committed in a topic, one record per line, into a file.
 *
 *     kafka-collect [-X NAME=VALUE]... [-p PASSWORD_FILE] [-v] SERVERS TOPIC FILE
 *
 * Partition after partition, each in its order. A topic that is not there is empty. -v writes
 * "PARTITION OFFSET TIMESTAMP KEY HEADER=VALUE,... RECORD" instead of the record alone. Ends when
 * it has read to where the partitions ended when it began; fails when nothing comes for 20 s. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENCE_MS 60000

static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka-collect: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
        die(name, text);
    }
}

static void set_password(rd_kafka_conf_t *conf, const char *path)
{
    char password[512] = "";
    FILE *file = fopen(path, "r");
    if (!file || !fgets(password, sizeof(password), file)) {
        die(path, "cannot be read");
    }
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
    set(conf, "sasl.password", password);
}

static void write_head(FILE *file, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    rd_kafka_timestamp_type_t type;
    fprintf(file, "%d %" PRId64 " %" PRId64 " %.*s ", (int)message->partition, message->offset,
            rd_kafka_message_timestamp(message, &type), (int)message->key_len,
            message->key ? (const char *)message->key : "");
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name;
        const void *value;
        size_t len;
        for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++) {
            fprintf(file, "%s%s=%.*s", i > 0 ? "," : "", name, (int)len, (const char *)value);
        }
    }
    fputc(' ', file);
}

static void read_partition(rd_kafka_topic_t *topic, int32_t partition, int64_t low, int64_t high,
                           FILE *file, bool verbose)
{
    int64_t next = low;
    if (rd_kafka_consume_start(topic, partition, low) != 0) {
        die("consume", rd_kafka_err2str(rd_kafka_last_error()));
    }
    while (next < high) {
        rd_kafka_message_t *message = rd_kafka_consume(topic, partition, SILENCE_MS);
        if (!message) {
            die("consume", "nothing came");
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            next = message->offset;
        } else if (message->err) {
            die("consume", rd_kafka_message_errstr(message));
        } else {
            if (verbose) {
                write_head(file, message);
            }
            fwrite(message->payload, 1, message->len, file);
            fputc('\n', file);
            next = message->offset + 1;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consume_stop(topic, partition);
}

static void collect(rd_kafka_t *handle, const char *name, FILE *file, bool verbose)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(handle, name, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, topic, &metadata, SILENCE_MS);
    if (code) {
        die("metadata", rd_kafka_err2str(code));
    }
    for (int i = 0; i < (metadata->topic_cnt > 0 ? metadata->topics[0].partition_cnt : 0); i++) {
        int32_t partition = metadata->topics[0].partitions[i].id;
        int64_t low;
        int64_t high;
        code = rd_kafka_query_watermark_offsets(handle, name, partition, &low, &high, SILENCE_MS);
        if (code) {
            die("offsets", rd_kafka_err2str(code));
        }
        read_partition(topic, partition, low, high, file, verbose);
    }
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool verbose = false;
    char text[256];
    int option;
    set(conf, "fetch.wait.max.ms", "50");
    while ((option = getopt(argc, argv, "p:vX:")) != -1) {
        char *equals = option == 'X' ? strchr(optarg, '=') : NULL;
        if (option == 'v') {
            verbose = true;
        } else if (option == 'p') {
            set_password(conf, optarg);
        } else if (equals) {
            *equals = '\0';
            set(conf, optarg, equals + 1);
        } else {
            optind = argc;
        }
    }
    if (argc - optind != 3) {
        fprintf(stderr,
                "usage: kafka-collect [-X NAME=VALUE]... [-p FILE] [-v] SERVERS TOPIC FILE\n");
        return 2;
    }
    set(conf, "bootstrap.servers", argv[optind]);
    set(conf, "isolation.level", "read_committed");
    set(conf, "enable.partition.eof", "true");
    set(conf, "auto.offset.reset", "error");
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (!handle) {
        die("settings", text);
    }
    FILE *file = fopen(argv[optind + 2], "w");
    if (!file) {
        die(argv[optind + 2], "cannot be written");
    }
    collect(handle, argv[optind + 1], file, verbose);
    if (fclose(file) != 0) {
        die(argv[optind + 2], "cannot be written");
    }
    rd_kafka_destroy(handle);
    return 0;
}
