/* main.c: the command line of firehosectl: finds the command in the table and its options. Exit
 * status: 0 done, 1 failed, 2 wrong usage. */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void print_usage(FILE *to)
{
    fputs("usage: firehosectl [--socket PATH] COMMAND [OPTIONS]\n\ncommands:\n", to);
    for (const struct fh_ctl_command *command = fh_ctl_commands; command->name; command++) {
        fprintf(to, "  %-12s %s\n", command->name, command->summary);
    }
    fputs("\noptions:\n"
          "  --socket PATH  control socket of the daemon (default " FH_CTL_SOCKET ")\n"
          "  --version      print the version\n"
          "  --help         this text; after a command, its own\n"
          "\nexit status: 0 done, 1 failed, 2 wrong usage\n",
          to);
}

#define SHOWN_IN_USAGE 8 /* more would hide the command */

static void print_help(const struct fh_ctl_command *command)
{
    printf("usage: firehosectl [--socket PATH] %s", command->name);
    bool many = command->options[SHOWN_IN_USAGE].name != NULL;
    if (many) {
        printf(" [OPTIONS]");
    }
    for (const struct fh_ctl_option *option = command->options; option->name && !many; option++) {
        printf(" [--%s%s%s]", option->name, option->value ? " " : "",
               option->value ? option->value : "");
    }
    if (command->operand) {
        printf(" %s", command->operand);
    }
    if (command->file) {
        printf(" [%s]", command->file);
    }
    printf("\n\n%s\n", command->summary);
    if (command->help) {
        printf("\n%s\n", command->help);
    }
    if (command->options[0].name) {
        printf("\noptions:\n");
    }
    for (const struct fh_ctl_option *option = command->options; option->name; option++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        printf(many ? "  %-20s %s\n" : "  %-16s %s\n", left, option->help);
    }
}

/* getopt's values: 0 .. for the command's own options, these for everybody's. */
enum { OPTION_SOCKET = 1000, OPTION_VERSION, OPTION_HELP };

/* The options of a command, which may stand before or behind it: --socket, --help as well. */
static enum fh_ctl_exit run_command(struct fh_ctl_call *call, int argc, char **argv)
{
    struct option options[FH_CTL_OPTIONS_MAX + 3] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"help", no_argument, NULL, OPTION_HELP}};
    size_t count = 2;
    for (int i = 0; call->command->options[i].name; i++) {
        const struct fh_ctl_option *option = &call->command->options[i];
        options[count++] =
            (struct option){option->name, option->value ? required_argument : no_argument, NULL, i};
    }
    optind = 0; /* glibc: start over */
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == OPTION_SOCKET) {
            call->socket_path = optarg;
        } else if (c == OPTION_HELP || c == 'h') {
            print_help(call->command);
            return FH_CTL_OK;
        } else if (c >= 0 && c < FH_CTL_OPTIONS_MAX) {
            call->given[c] = optarg ? optarg : "";
        } else {
            fprintf(stderr, "see: firehosectl %s --help\n", call->command->name);
            return FH_CTL_USAGE;
        }
    }
    if (call->command->operand && optind < argc) {
        call->operand = argv[optind++];
    }
    if (call->command->file && optind < argc) {
        call->file = argv[optind++];
    }
    if (optind < argc) {
        return fh_ctl_usage_error(call, "what is \"%s\"?", argv[optind]);
    }
    return call->command->run(call);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"socket", required_argument, NULL, OPTION_SOCKET},
                                            {"version", no_argument, NULL, OPTION_VERSION},
                                            {"help", no_argument, NULL, OPTION_HELP},
                                            {NULL, 0, NULL, 0}};
    struct fh_ctl_call call = {.socket_path = FH_CTL_SOCKET};
    for (int c; (c = getopt_long(argc, argv, "+h", options, NULL)) != -1;) {
        switch (c) {
        case OPTION_SOCKET:
            call.socket_path = optarg;
            break;
        case OPTION_VERSION:
            printf("firehosectl %s\n", FH_VERSION);
            return FH_CTL_OK;
        case OPTION_HELP:
        case 'h':
            print_usage(stdout);
            return FH_CTL_OK;
        default:
            print_usage(stderr);
            return FH_CTL_USAGE;
        }
    }
    if (optind >= argc) {
        print_usage(stderr);
        return FH_CTL_USAGE;
    }
    const char *name = argv[optind];
    for (call.command = fh_ctl_commands; call.command->name; call.command++) {
        if (strcmp(call.command->name, name) == 0) {
            return (int)run_command(&call, argc - optind, argv + optind);
        }
    }
    fprintf(stderr, "firehosectl: unknown command \"%s\"\n\n", name);
    print_usage(stderr);
    return FH_CTL_USAGE;
}
