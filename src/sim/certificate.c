/* certificate.c: owns the making of a CA and a server certificate for tests. P-256, ten years for
 * the CA, one for the server. Never used for anything but a simulator. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 86400L

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static void close_file(FILE **file)
{
    if (*file) {
        fclose(*file);
    }
}

static FILE *open_file(const char *directory, const char *name, bool write)
{
    char path[SIM_TEXT_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    bool secret = strstr(name, ".key") != NULL;
    int flags = write ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC;
    int fd = open(path, flags, secret ? 0600 : 0644);
    return fd < 0 ? NULL : fdopen(fd, write ? "w" : "r");
}

static bool write_certificate(const char *directory, const char *name, X509 *certificate)
{
    FH_CLEANUP(close_file) FILE *file = open_file(directory, name, true);
    return file && PEM_write_X509(file, certificate) == 1 && fflush(file) == 0;
}

static bool write_key(const char *directory, const char *name, EVP_PKEY *key)
{
    FH_CLEANUP(close_file) FILE *file = open_file(directory, name, true);
    return file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           fflush(file) == 0;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* Everything but extensions and signature. */
static X509 *new_certificate(EVP_PKEY *key, const char *name, long days)
{
    X509 *certificate = X509_new();
    unsigned char serial[16];
    if (!certificate || RAND_bytes(serial, sizeof(serial)) != 1) {
        X509_free(certificate);
        return NULL;
    }
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) &&
                X509_set_version(certificate, 2) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY) &&
                X509_set_pubkey(certificate, key) == 1 &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                           -1, -1, 0) == 1;
    BN_free(number);
    if (!good) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static bool load_authority(const char *directory, EVP_PKEY **ret_key, X509 **ret_certificate)
{
    FH_CLEANUP(close_file) FILE *key_file = open_file(directory, "ca.key", false);
    FH_CLEANUP(close_file) FILE *file = open_file(directory, "ca.pem", false);
    if (!key_file || !file) {
        return false;
    }
    EVP_PKEY *key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    if (!key || !certificate || X509_check_private_key(certificate, key) != 1 ||
        X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
        ERR_clear_error();
        EVP_PKEY_free(key);
        X509_free(certificate);
        return false;
    }
    *ret_key = key;
    *ret_certificate = certificate;
    return true;
}

static bool make_authority(const char *directory, EVP_PKEY **ret_key, X509 **ret_certificate)
{
    FH_CLEANUP(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    FH_CLEANUP(free_certificate)
    X509 *certificate = key ? new_certificate(key, "firehose-sim test CA", 3650) : NULL;
    if (!certificate ||
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) != 1 ||
        !add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
        X509_sign(certificate, key, EVP_sha256()) == 0 || !write_key(directory, "ca.key", key) ||
        !write_certificate(directory, "ca.pem", certificate)) {
        return false;
    }
    *ret_key = key;
    *ret_certificate = certificate;
    key = NULL;
    certificate = NULL;
    return true;
}

static void alternative_names(const struct sim_options *options, char *text, size_t size)
{
    size_t len = (size_t)snprintf(text, size, "DNS:localhost,IP:127.0.0.1,IP:::1");
    for (unsigned i = 0; i < options->host_count && len < size; i++) {
        unsigned char address[16];
        const char *host = options->hosts[i];
        bool numeric =
            inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
        len += (size_t)snprintf(text + len, size - len, ",%s:%s", numeric ? "IP" : "DNS", host);
    }
}

static bool make_server(const char *directory, const struct sim_options *options, EVP_PKEY *ca_key,
                        X509 *ca)
{
    char names[SIM_HOSTS_MAX * 264 + 64];
    alternative_names(options, names, sizeof(names));
    FH_CLEANUP(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    FH_CLEANUP(free_certificate)
    X509 *certificate = key ? new_certificate(key, "localhost", 365) : NULL;
    return certificate && X509_set_issuer_name(certificate, X509_get_subject_name(ca)) == 1 &&
           add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, ca, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, ca, NID_subject_alt_name, names) &&
           add_extension(certificate, ca, NID_authority_key_identifier, "keyid") &&
           X509_sign(certificate, ca_key, EVP_sha256()) > 0 &&
           write_key(directory, "server.key", key) &&
           write_certificate(directory, "server.pem", certificate);
}

int sim_certificate_make(const char *directory, const struct sim_options *options,
                         struct fh_error *err)
{
    if (mkdir(directory, 0755) < 0 && errno != EEXIST) {
        char text[128];
        int code = -errno;
        return fh_error_set(err, code, "--make-cert %.200s: %s", directory,
                            fh_strerror(code, text, sizeof(text)));
    }
    FH_CLEANUP(free_key) EVP_PKEY *key = NULL;
    FH_CLEANUP(free_certificate) X509 *ca = NULL;
    if ((!load_authority(directory, &key, &ca) && !make_authority(directory, &key, &ca)) ||
        !make_server(directory, options, key, ca)) {
        unsigned long code = ERR_get_error();
        char text[160] = "cannot write there";
        if (code != 0) {
            ERR_error_string_n(code, text, sizeof(text));
        }
        ERR_clear_error();
        return fh_error_set(err, -EIO, "--make-cert %.200s: %s", directory, text);
    }
    return 0;
}
