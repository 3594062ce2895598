/* kafka-mock: librdkafka's mock cluster of three brokers on loopback, over TCP.
 *
 *     kafka-mock [PARTITIONS]
 *
 * Prints "listening on HOST:PORT,HOST:PORT,HOST:PORT", then takes orders on standard input, one a
 * line, and answers each with "ok" or "error REASON". It ends with its input.
 *
 *     down BROKER | up BROKER        1 to 3, or -1 for all
 *     rtt BROKER MS                  how long it thinks before it answers
 *     errors API CODE COUNT          the next requests of that number fail so; -195: disconnect
 *     clear API                      no more of them
 *     leader TOPIC PARTITION BROKER  -1: none
 *     coordinator ID BROKER          of a transactional.id
 *
 * What this mock does not do: it accepts an older producer beside a newer one of the same
 * transactional.id, shows records that are not committed, and does not look up offsets by time.
 * kafka-broker.py does. */
#include <librdkafka/rdkafka.h>
/* wants rdkafka.h first */
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKERS 3

static int number(const char *word)
{
    return word ? (int)strtol(word, NULL, 10) : 0;
}

static rd_kafka_resp_err_t obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    char *rest = line;
    const char *word[4] = {""};
    for (size_t i = 0; i < 4; i++) {
        const char *next = strtok_r(NULL, " \n", &rest);
        word[i] = next ? next : "";
    }
    if (strcmp(word[0], "down") == 0) {
        return rd_kafka_mock_broker_set_down(cluster, number(word[1]));
    }
    if (strcmp(word[0], "up") == 0) {
        return rd_kafka_mock_broker_set_up(cluster, number(word[1]));
    }
    if (strcmp(word[0], "rtt") == 0) {
        return rd_kafka_mock_broker_set_rtt(cluster, number(word[1]), number(word[2]));
    }
    if (strcmp(word[0], "errors") == 0) {
        for (int i = 0; i < number(word[3]); i++) {
            rd_kafka_mock_push_request_errors(cluster, (int16_t)number(word[1]), 1,
                                              (rd_kafka_resp_err_t)number(word[2]));
        }
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (strcmp(word[0], "clear") == 0) {
        rd_kafka_mock_clear_request_errors(cluster, (int16_t)number(word[1]));
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (strcmp(word[0], "leader") == 0) {
        return rd_kafka_mock_partition_set_leader(cluster, word[1], number(word[2]),
                                                  number(word[3]));
    }
    if (strcmp(word[0], "coordinator") == 0) {
        return rd_kafka_mock_coordinator_set(cluster, "transaction", word[1], number(word[2]));
    }
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int main(int argc, char **argv)
{
    char line[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", line, sizeof(line));
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, line, sizeof(line));
    rd_kafka_mock_cluster_t *cluster = handle ? rd_kafka_mock_cluster_new(handle, BROKERS) : NULL;
    if (!cluster) {
        fprintf(stderr, "kafka-mock: no mock cluster\n");
        return 1;
    }
    int partitions = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
    rd_kafka_mock_topic_create(cluster, "firehose", partitions, BROKERS);
    printf("listening on %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        rd_kafka_resp_err_t code = obey(cluster, line);
        printf(code ? "error %s\n" : "ok%s\n", code ? rd_kafka_err2str(code) : "");
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
    return 0;
}
