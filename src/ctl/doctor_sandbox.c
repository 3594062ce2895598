/* doctor_sandbox.c: owns the judgement of the unit: whether it lets the daemon write where it has
 * to, and whether it keeps it running. What "systemctl show" prints becomes rules, and the rules a
 * finding with its remedy. No I/O. Where two
 * rules speak of a path the nearer one counts, as in systemd.exec(5); what makes a file system of
 * its own (BindPaths= and the like) is not followed, and then nothing is certain. */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of lists of paths; a base: names below it. ConfigurationDirectory= is left out:
 * the unit takes back by ReadOnlyPaths= what that opens. */
static const struct list {
    const char *property;
    enum fh_doctor_rule_kind kind;
    const char *base;
} lists[] = {
    {"ReadWritePaths", FH_DOCTOR_WRITABLE, ""},
    {"StateDirectory", FH_DOCTOR_WRITABLE, "/var/lib/"},
    {"CacheDirectory", FH_DOCTOR_WRITABLE, "/var/cache/"},
    {"LogsDirectory", FH_DOCTOR_WRITABLE, "/var/log/"},
    {"RuntimeDirectory", FH_DOCTOR_WRITABLE, "/run/"},
    {"ReadOnlyPaths", FH_DOCTOR_READ_ONLY, ""},
    {"InaccessiblePaths", FH_DOCTOR_HIDDEN, ""},
};

/* A property with one of a few values, and the paths it speaks of. */
static const struct setting {
    const char *property, *value;
    enum fh_doctor_rule_kind kind;
    const char *path[5];
} settings[] = {
    {"ProtectSystem", "strict", FH_DOCTOR_READ_ONLY, {"/"}},
    {"ProtectSystem", "full", FH_DOCTOR_READ_ONLY, {"/usr", "/boot", "/efi", "/etc"}},
    {"ProtectSystem", "yes", FH_DOCTOR_READ_ONLY, {"/usr", "/boot", "/efi"}},
    {"ProtectHome", "yes", FH_DOCTOR_HIDDEN, {"/home", "/root", "/run/user"}},
    {"ProtectHome", "tmpfs", FH_DOCTOR_HIDDEN, {"/home", "/root", "/run/user"}},
    {"ProtectHome", "read-only", FH_DOCTOR_READ_ONLY, {"/home", "/root", "/run/user"}},
    {"PrivateTmp", "yes", FH_DOCTOR_PRIVATE, {"/tmp", "/var/tmp"}},
};

static const char *const own_trees[] = {"BindPaths",          "BindReadOnlyPaths", "MountImages",
                                        "ExtensionImages",    "RootDirectory",     "RootImage",
                                        "TemporaryFileSystem"};

const char *const fh_doctor_unit_properties =
    "LoadState,NeedDaemonReload,ActiveState,SubState,Result,UnitFileState,ProtectSystem,"
    "ProtectHome,PrivateTmp,ReadWritePaths,"
    "StateDirectory,CacheDirectory,LogsDirectory,RuntimeDirectory,ReadOnlyPaths,"
    "InaccessiblePaths,BindPaths,BindReadOnlyPaths,MountImages,ExtensionImages,RootDirectory,"
    "RootImage,TemporaryFileSystem";

bool fh_doctor_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    while (len > 0 && directory[len - 1] == '/') {
        len--; /* "/" itself becomes the empty prefix of every absolute path */
    }
    return strncmp(path, directory, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static void add_rule(struct fh_doctor_unit *unit, const char *why, enum fh_doctor_rule_kind kind,
                     const char *base, const char *path)
{
    if (unit->rules == FH_DOCTOR_RULES || strlen(base) + strlen(path) >= FH_PATH_MAX) {
        unit->uncertain = true;
        return;
    }
    struct fh_doctor_rule *rule = &unit->rule[unit->rules++];
    rule->kind = kind;
    snprintf(rule->path, sizeof(rule->path), "%s%s", base, path);
    snprintf(rule->why, sizeof(rule->why), "%s", why);
}

/* The next of words between spaces; one with a space in it is quoted as for a shell. False at the
 * end. One that is too long for a path is cut, and too long for a rule still. */
static bool next_word(const char **at, const char *end, char *word, size_t size)
{
    size_t len = 0;
    bool quoted = false;
    while (*at < end && **at == ' ') {
        (*at)++;
    }
    if (*at == end) {
        return false;
    }
    for (; *at < end && (quoted || **at != ' '); (*at)++) {
        if (**at == '"') {
            quoted = !quoted;
            continue;
        }
        if (**at == '\\' && quoted && *at + 1 < end) {
            (*at)++;
        }
        if (len + 1 < size) {
            word[len++] = **at;
        }
    }
    word[len] = '\0';
    return true;
}

static void take_list(struct fh_doctor_unit *unit, const struct list *list, const char *value,
                      const char *end)
{
    char word[FH_PATH_MAX + 8];
    char why[FH_DOCTOR_WHY];
    snprintf(why, sizeof(why), "%s=", list->property);
    while (next_word(&value, end, word, sizeof(word))) {
        size_t before = unit->rules;
        size_t marks = strspn(word, "-+"); /* "-": it may be missing; "+": of the root directory */
        add_rule(unit, why, list->kind, list->base, word + marks);
        if (unit->rules > before) {
            unit->rule[before].needed = !list->base[0] && !memchr(word, '-', marks);
        }
    }
}

static bool is(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static void take_property(struct fh_doctor_unit *unit, const char *name, size_t name_len,
                          const char *value, size_t len)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(lists); i++) {
        if (is(name, name_len, lists[i].property)) {
            take_list(unit, &lists[i], value, value + len);
        }
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(settings); i++) {
        const struct setting *setting = &settings[i];
        if (is(name, name_len, setting->property) && is(value, len, setting->value)) {
            char why[FH_DOCTOR_WHY];
            snprintf(why, sizeof(why), "%s=%s", setting->property, setting->value);
            for (size_t j = 0; setting->path[j]; j++) {
                add_rule(unit, why, setting->kind, "", setting->path[j]);
            }
        }
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(own_trees); i++) {
        unit->uncertain |= len > 0 && is(name, name_len, own_trees[i]);
    }
    if (is(name, name_len, "LoadState")) {
        unit->loaded = is(value, len, "loaded");
    } else if (is(name, name_len, "NeedDaemonReload")) {
        unit->changed = is(value, len, "yes");
    } else if (is(name, name_len, "ActiveState")) {
        snprintf(unit->active, sizeof(unit->active), "%.*s", (int)len, value);
    } else if (is(name, name_len, "SubState")) {
        snprintf(unit->sub, sizeof(unit->sub), "%.*s", (int)len, value);
    } else if (is(name, name_len, "Result")) {
        snprintf(unit->result, sizeof(unit->result), "%.*s", (int)len, value);
    } else if (is(name, name_len, "UnitFileState")) {
        snprintf(unit->enabled, sizeof(unit->enabled), "%.*s", (int)len, value);
    }
}

void fh_doctor_unit_read(struct fh_doctor_unit *unit, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        size_t name_len = strcspn(text, "=\n");
        if (name_len < len) {
            take_property(unit, text, name_len, text + name_len + 1, len - name_len - 1);
        }
        text += len + (text[len] == '\n');
    }
}

void fh_doctor_unit_state(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                          bool answers)
{
    bool again = strcmp(unit->sub, "auto-restart") == 0;
    if (!answers && (again || strcmp(unit->active, "failed") == 0)) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "daemon", "%s %s (%s); why: journalctl -xeu %s",
                      unit->name,
                      again ? "does not stay up, and is started again and again" : "has failed",
                      unit->result, unit->name);
    } else if (strcmp(unit->active, "active") == 0 && strcmp(unit->enabled, "disabled") == 0) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "daemon",
                      "%s runs, but will not when this host has booted again: systemctl enable %s",
                      unit->name, unit->name);
    }
}

/* What counts for the path; NULL: nothing keeps the daemon from writing there. */
static const struct fh_doctor_rule *judge(const struct fh_doctor_unit *unit, const char *path)
{
    const struct fh_doctor_rule *nearest = NULL;
    for (size_t i = 0; i < unit->rules; i++) {
        const struct fh_doctor_rule *rule = &unit->rule[i];
        if (!fh_doctor_below(path, rule->path)) {
            continue;
        }
        if (rule->kind == FH_DOCTOR_HIDDEN) { /* nothing below it can be shown again */
            return rule;
        }
        size_t len = strlen(rule->path);
        size_t known = nearest ? strlen(nearest->path) : 0;
        if (len > known || (len == known && rule->kind != FH_DOCTOR_WRITABLE)) {
            nearest = rule;
        }
    }
    return nearest && nearest->kind != FH_DOCTOR_WRITABLE ? nearest : NULL;
}

static bool is_plain(const char *path)
{
    return path[strspn(path, "/._-+:@,=0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

/* A path as a word of a shell (quote: what to put around it), or of a unit file within single
 * quotes of a shell, where a percent sign begins a specifier. */
static void quote(const char *path, bool of_unit, char *text, size_t size)
{
    const char *around = is_plain(path) ? "" : of_unit ? "\"" : "'";
    size_t len = (size_t)snprintf(text, size, "%s", around);
    for (; *path && len + 8 < size; path++) {
        const char *before = "";
        if (of_unit && (*path == '"' || *path == '\\')) {
            before = "\\";
        } else if (of_unit && *path == '%') {
            before = "%";
        } else if (*path == '\'') {
            before = "'\\'";
        }
        len += (size_t)snprintf(text + len, size - len, "%s%c", before, *path);
    }
    snprintf(text + len, size - len, "%s", around);
}

bool fh_doctor_sandbox(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                       const struct fh_doctor_place *place)
{
    const struct fh_doctor_rule *rule = judge(unit, place->real);
    if (!rule) {
        return true;
    }
    enum fh_doctor_result result = unit->uncertain ? FH_DOCTOR_WARN : FH_DOCTOR_FAIL;
    if (rule->kind != FH_DOCTOR_READ_ONLY) {
        fh_doctor_say(
            report, result, "sandbox",
            "%s %s: %s%s (%s): choose a directory elsewhere, best below /var/lib/firehosed",
            place->what, place->path, unit->name,
            rule->kind == FH_DOCTOR_HIDDEN
                ? " hides it from the daemon"
                : " gives the daemon a directory of its own there, which ends with it",
            rule->why);
        return false;
    }
    char path[FH_PATH_MAX + 64];
    char make[FH_PATH_MAX + 192] = "";
    if (place->missing) { /* systemd starts no unit with a path that is not there */
        quote(place->path, false, path, sizeof(path));
        snprintf(make, sizeof(make), "install -d -o %s %s && ", place->user, path);
    }
    quote(place->path, true, path, sizeof(path));
    fh_doctor_say(report, result, "sandbox",
                  "%s %s: %s does not let the daemon write there (%s). As root: %s"
                  "mkdir -p /etc/systemd/system/%s.d && printf '%%s\\n' '[Service]' "
                  "'ReadWritePaths=%s' >>/etc/systemd/system/%s.d/paths.conf && "
                  "systemctl daemon-reload && systemctl restart %s",
                  place->what, place->path, unit->name, rule->why, make, unit->name, path,
                  unit->name, unit->name);
    return false;
}

void fh_doctor_rule_missing(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                            const struct fh_doctor_rule *rule, const char *user)
{
    char path[FH_PATH_MAX + 64];
    quote(rule->path, false, path, sizeof(path));
    fh_doctor_say(report, FH_DOCTOR_FAIL, "sandbox",
                  "%s has %s%s, which is not there: systemd does not start it so (226/NAMESPACE): "
                  "install -d -o %s %s",
                  unit->name, rule->why, rule->path, user, path);
}
