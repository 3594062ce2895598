/* instance.h: which service of this host reads a configuration. */
#ifndef FH_CTL_INSTANCE_H
#define FH_CTL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>

#define FH_CTL_CONFIG_DIRECTORY "/etc/firehosed" /* of the units (ConfigurationDirectory=) */
#define FH_CTL_CONFIG           FH_CTL_CONFIG_DIRECTORY "/firehosed.conf"
#define FH_CTL_SERVICE          "firehosed"

/* The name of the file without ".conf": FH_CTL_SERVICE for firehosed.service, NAME for
 * firehosed@NAME.service. True when the file lies where these read it. */
bool fh_ctl_instance(const char *config_path, char *name, size_t size);
/* A service gets its directories from its unit; its configuration need not name them. For a file
 * that a unit reads the environment is set as the unit does (STATE_DIRECTORY, RUNTIME_DIRECTORY),
 * so that fh_config_load() finds what the daemon finds. To be called before it. */
void fh_ctl_instance_directories(const char *config_path);

#endif
