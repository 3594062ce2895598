/* main.c: the command line. */
#include "app.h"

#include "fh/buf.h"
#include "fh/log.h"
#include "fh/metrics.h"

#include <getopt.h>
#include <stdio.h>

static void usage(FILE *to)
{
    fprintf(
        to,
        "Usage: firehosed --config FILE [--check [--secrets]]\n"
        "\n"
        "Receives the Cisco Spaces Partner Firehose on one node of a pair.\n"
        "\n"
        "  --config FILE  the configuration (libconfig); see firehosed.conf(5)\n"
        "  --check        read and check it, print what is wrong with line and remedy, exit\n"
        "  --secrets      with --check: can this user read what a reload reads, the API key's "
        "file?\n"
        "  --options      print every option with type, range, default and meaning, exit\n"
        "  --metrics      print every metric (name|type|unit|labels|meaning), exit\n"
        "  --version      print the version, exit\n"
        "  --help         print this, exit\n"
        "\n"
        "Exit status: 0 stopped as asked, 1 an error that the log names, 2 bad usage, 78 an error\n"
        "in the configuration, or a secret or directory that may not be used (with --check: 1).\n");
}

static int print_reference(int (*write_reference)(struct fh_buf *into))
{
    struct fh_buf text;
    fh_buf_init(&text, (size_t)1024 * 1024);
    int r = write_reference(&text);
    if (r == 0) {
        fwrite(text.data, 1, text.len, stdout);
    }
    fh_buf_done(&text);
    return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"secrets", no_argument, NULL, 's'},      {"options", no_argument, NULL, 'o'},
        {"metrics", no_argument, NULL, 'm'},      {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *config_path = NULL;
    bool check = false;
    bool secrets = false;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 's':
            secrets = true;
            break;
        case 'o':
            return print_reference(fh_config_reference);
        case 'm':
            return print_reference(fh_metrics_reference);
        case 'v':
            printf("firehosed %s\n", FH_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (secrets && !check) {
        fprintf(stderr, "firehosed: --secrets goes with --check\n");
        usage(stderr);
        return 2;
    }
    if (!config_path || optind != argc) {
        fprintf(stderr,
                config_path ? "firehosed: unexpected argument \"%s\"\n"
                            : "firehosed: --config FILE is missing\n",
                argv[optind]);
        usage(stderr);
        return 2;
    }
    fh_log_init("firehosed", FH_LOG_AUTO, LOG_INFO);
    return check ? app_check(config_path, secrets) : app_run(config_path);
}
