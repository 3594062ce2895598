/* simulator.c: owns the process of a simulator and questions to it. */
#include "simulator.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 40

static void run(const struct simulator *simulator, const char *const *options)
{
    static char listen[] = "--listen";
    static char address[] = "127.0.0.1:0";
    static char make_cert[] = "--make-cert";
    char *arguments[OPTIONS_MAX + 6];
    size_t count = 0;
    arguments[count++] = strdup(simulator->program);
    for (; *options && count < OPTIONS_MAX; options++) {
        arguments[count++] = strdup(*options);
    }
    arguments[count++] = listen;
    arguments[count++] = address;
    arguments[count++] = make_cert;
    arguments[count++] = strdup(simulator->directory);
    arguments[count] = NULL;
    execv(simulator->program, arguments);
    _exit(127);
}

int simulator_start(struct simulator *simulator, const char *const *options)
{
    int out[2];
    snprintf(simulator->directory, sizeof(simulator->directory), "/tmp/fh-simulator-XXXXXX");
    if (!mkdtemp(simulator->directory) || pipe(out) < 0) {
        return -1;
    }
    snprintf(simulator->ca_file, sizeof(simulator->ca_file), "%s/ca.pem", simulator->directory);
    simulator->pid = fork();
    if (simulator->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        run(simulator, options);
    }
    close(out[1]);
    char line[256] = "";
    size_t len = 0;
    while (simulator->pid > 0 && len + 1 < sizeof(line) && !strchr(line, '\n')) {
        ssize_t n = read(out[0], line + len, sizeof(line) - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        line[len] = '\0';
    }
    close(out[0]);
    const char *url = strstr(line, "https://");
    if (!url) {
        fprintf(stderr, "the simulator does not start: %s\n", line);
        return -1;
    }
    snprintf(simulator->url, sizeof(simulator->url), "%.*s", (int)strcspn(url, " \n"), url);
    return 0;
}

int simulator_stop(struct simulator *simulator)
{
    static const char *const files[] = {"ca.key", "ca.pem", "server.key", "server.pem"};
    kill(simulator->pid, SIGTERM);
    waitpid(simulator->pid, NULL, 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", simulator->directory, files[i]);
        unlink(path);
    }
    return rmdir(simulator->directory);
}

struct answer {
    char *text;
    size_t len;
    size_t enough;
};

static size_t on_answer(char *bytes, size_t size, size_t count, void *userdata)
{
    struct answer *answer = userdata;
    char *text = realloc(answer->text, answer->len + size * count + 1);
    if (!text) {
        return 0;
    }
    memcpy(text + answer->len, bytes, size * count);
    answer->text = text;
    answer->len += size * count;
    answer->text[answer->len] = '\0';
    return answer->enough > 0 && answer->len >= answer->enough ? 0 : size * count;
}

static char *ask(const struct simulator *simulator, const char *method, const char *path,
                 struct curl_slist *headers, size_t enough)
{
    char url[512];
    struct answer answer = {.enough = enough};
    CURL *easy = curl_easy_init();
    snprintf(url, sizeof(url), "%s%s", simulator->url, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CAINFO, simulator->ca_file);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (!answer.text || (code != CURLE_OK && answer.len < enough)) {
        fprintf(stderr, "no answer to %s %s: %s\n", method, path, curl_easy_strerror(code));
        abort();
    }
    return answer.text;
}

char *simulator_ask(const struct simulator *simulator, const char *method, const char *path)
{
    return ask(simulator, method, path, NULL, 0);
}

char *simulator_stream(const struct simulator *simulator, const char *key, size_t len)
{
    char text[600];
    snprintf(text, sizeof(text), "X-API-KEY: %s", key);
    struct curl_slist *headers = curl_slist_append(NULL, text);
    char *stream = ask(simulator, "GET", "/api/partners/v1/firehose/events", headers, len);
    curl_slist_free_all(headers);
    return stream;
}
