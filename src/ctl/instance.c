/* instance.c: owns what the place of a configuration says: the service that reads it, and where
 * that service has its state and its control socket. Never opens the file. */
#include "instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fh_ctl_instance(const char *config_path, char *name, size_t size)
{
    static const char suffix[] = ".conf";
    const char *slash = strrchr(config_path, '/');
    const char *file = slash ? slash + 1 : config_path;
    size_t len = strlen(file);
    bool conf = len > strlen(suffix) && strcmp(file + len - strlen(suffix), suffix) == 0;
    size_t directory = strlen(FH_CTL_CONFIG_DIRECTORY);
    snprintf(name, size, "%.*s", (int)(conf ? len - strlen(suffix) : len), file);
    return conf && slash && slash == config_path + directory &&
           memcmp(config_path, FH_CTL_CONFIG_DIRECTORY, directory) == 0;
}

void fh_ctl_instance_directories(const char *config_path)
{
    char name[256];
    char path[320];
    if (!fh_ctl_instance(config_path, name, sizeof(name))) {
        return;
    }
    bool usual = strcmp(name, FH_CTL_SERVICE) == 0;
    snprintf(path, sizeof(path), "/var/lib/firehosed%s%s", usual ? "" : "/", usual ? "" : name);
    setenv("STATE_DIRECTORY", path, 1);
    snprintf(path, sizeof(path), "/run/firehosed%s%s", usual ? "" : "/", usual ? "" : name);
    setenv("RUNTIME_DIRECTORY", path, 1);
}
