/* campus_people.c: the devices of the simulated world and the users they belong to. */
#include "campus.h"

#include "world_random.h"
#include "world_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum purpose { PURPOSE_DEVICE = 11, PURPOSE_OWNER = 12 };

struct model {
    const char *manufacturer;
    const char *os;
    const char *os_version;
    const char *type;
    const char *name;
};

static const struct model models[] = {
    {"Example Devices", "Android", "16", "MOBILE", "Model E"},
    {"Example Devices", "Android", "15", "MOBILE", "Model D"},
    {"Sample Mobile", "iOS", "19.1", "MOBILE", "Sample 12"},
    {"Sample Mobile", "iOS", "18.6", "MOBILE", "Sample 11"},
    {"Sample Mobile", "iPadOS", "19.0", "TABLET", "Sample Pad"},
    {"Demo Computing", "Windows", "11", "LAPTOP", "Demobook 14"},
    {"Demo Computing", "Linux", "6.12", "LAPTOP", "Demobook 13"},
};

static const char *const first_names[] = {"Pat",  "Sam", "Alex", "Robin", "Kim",    "Jo",
                                          "Noor", "Lee", "Ada",  "Mika",  "Sascha", "Toni"};
static const char *const last_names[] = {"Doe",    "Roe",    "Example", "Sample",
                                         "Tester", "Muster", "Jansen",  "Novak"};
static const char *const departments[] = {"Facilities", "Research", "Sales", "Support"};

/* "device-" and 21 characters; about 125 random bits, so no two are equal. */
static size_t device_id(const struct sim_campus *campus, uint32_t index, char *id)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct sim_random random = {sim_mix2(campus->seed ^ PURPOSE_DEVICE, index)};
    char *p = SIM_PUT(id, "device-");
    for (int i = 0; i < 21; i++) {
        *p++ = alphabet[sim_random_below(&random, sizeof(alphabet) - 1)];
    }
    *p = '\0';
    return (size_t)(p - id);
}

/* The middle of the device object: who it belongs to, as far as the tenant's privacy settings and
 * the visitor's consent show it. Version 1 is what a PROFILE_UPDATE turns version 0 into: a guest
 * has signed in at the portal, or staff has moved to another department. */
static int render_profile(const struct sim_device *device, uint32_t index, unsigned version,
                          char *text, size_t size)
{
    const char *first = first_names[index % FH_ARRAY_LEN(first_names)];
    const char *last = last_names[index / 7 % FH_ARRAY_LEN(last_names)];
    const char *department = departments[(index + version) % FH_ARRAY_LEN(departments)];
    if (device->user == SIM_NOBODY && version == 0) {
        return snprintf(text, size,
                        "\"tags\":[],\"mobile\":\"\",\"email\":\"\",\"gender\":"
                        "\"GENDER_NOT_AVAILABLE\",\"firstName\":\"\",\"lastName\":\"\","
                        "\"postalCode\":\"\",\"optIns\":[],\"attributes\":[],");
    }
    return snprintf(text, size,
                    "\"tags\":[%s],\"mobile\":\"\",\"email\":\"%s@example.com\",\"gender\":"
                    "\"GENDER_NOT_AVAILABLE\",\"firstName\":\"%s\",\"lastName\":\"%s\","
                    "\"postalCode\":\"\",\"optIns\":[\"EMAIL\",\"TERMS_AND_CONDITIONS\"],"
                    "\"attributes\":[{\"name\":\"department\",\"values\":[\"%s\"]}],",
                    device->user == SIM_NOBODY ? "\"guest\"" : "\"staff\"", device->raw_user, first,
                    last, department);
}

static int render_device(struct sim_campus *campus, uint32_t index, unsigned version)
{
    struct sim_device *device = &campus->devices[index];
    const struct model *model =
        &models[sim_mix2(campus->seed ^ PURPOSE_OWNER, index) % FH_ARRAY_LEN(models)];
    char id[32];
    char user[24] = "";
    char profile[512];
    char text[1024];
    (void)device_id(campus, index, id);
    if (device->user != SIM_NOBODY) {
        (void)snprintf(user, sizeof(user), "user-%x", device->user + 0x1000);
    }
    (void)render_profile(device, index, version, profile, sizeof(profile));
    int length = snprintf(text, sizeof(text),
                          "{\"deviceId\":\"%s\",\"userId\":\"%s\",%s\"macAddress\":\"%s\","
                          "\"manufacturer\":\"%s\",\"os\":\"%s\",\"osVersion\":\"%s\",\"type\":"
                          "\"%s\",\"socialNetworkInfo\":[],\"deviceModel\":\"%s\"}",
                          id, user, profile, device->mac, model->manufacturer, model->os,
                          model->os_version, model->type, model->name);
    device->text_length[version] = (uint16_t)length;
    device->text[version] = sim_campus_keep(campus, text, (size_t)length);
    return device->text[version] ? 0 : -ENOMEM;
}

static int make_device(struct sim_campus *campus, uint32_t index, uint32_t user)
{
    struct sim_device *device = &campus->devices[index];
    char id[32];
    char text[64];
    device->user = user;
    device->partition = sim_partition_of(id, device_id(campus, index, id));
    (void)snprintf(device->mac, sizeof(device->mac), "02:00:5e:%02x:%02x:%02x",
                   (0x10U + (index >> 16)) & 255U, index >> 8 & 255U, index & 255U);
    if (user == SIM_NOBODY) {
        (void)snprintf(device->raw_user, sizeof(device->raw_user), "guest-%u", index);
    } else {
        (void)snprintf(device->raw_user, sizeof(device->raw_user), "%s",
                       campus->users[user].raw_user);
    }
    int length =
        snprintf(text, sizeof(text), ",\"ipv4\":\"198.%u.%u.%u\",\"ipv6\":[\"2001:db8::%x\"]}",
                 18 + (index >> 16 & 1U), index >> 8 & 255U, index & 255U, index + 1);
    device->addresses_length = (uint16_t)length;
    device->addresses = sim_campus_keep(campus, text, (size_t)length);
    if (!device->addresses) {
        return -ENOMEM;
    }
    int r = render_device(campus, index, 0);
    return r < 0 ? r : render_device(campus, index, 1);
}

static int make_user(struct sim_campus *campus, uint32_t first_device, unsigned devices)
{
    uint32_t index = campus->user_count++;
    struct sim_user *user = &campus->users[index];
    const char *first = first_names[index % FH_ARRAY_LEN(first_names)];
    const char *last = last_names[index / 7 % FH_ARRAY_LEN(last_names)];
    char ids[2][32];
    char id[24];
    char text[512];
    user->first_device = first_device;
    user->devices = (uint8_t)devices;
    (void)device_id(campus, first_device, ids[0]);
    (void)device_id(campus, first_device + devices - 1, ids[1]);
    int id_length = snprintf(id, sizeof(id), "user-%x", index + 0x1000);
    user->partition = sim_partition_of(id, (size_t)id_length);
    (void)snprintf(user->raw_user, sizeof(user->raw_user), "u%05u", index);
    int length = snprintf(
        text, sizeof(text),
        "{\"userId\":\"%s\",\"deviceIds\":[\"%s\"%s%s%s],\"tags\":[\"staff\"],\"mobile\":\"\","
        "\"email\":\"%s@example.com\",\"gender\":\"GENDER_NOT_AVAILABLE\",\"firstName\":\"%s\","
        "\"lastName\":\"%s\",\"postalCode\":\"\",\"attributes\":[],\"socialNetworkInfo\":[]}",
        id, ids[0], devices > 1 ? ",\"" : "", devices > 1 ? ids[1] : "", devices > 1 ? "\"" : "",
        user->raw_user, first, last);
    user->text_length = (uint16_t)length;
    user->text = sim_campus_keep(campus, text, (size_t)length);
    return user->text ? 0 : -ENOMEM;
}

/* Two devices in five belong to nobody known; of the users, every third has two. */
int sim_campus_make_people(struct sim_campus *campus)
{
    struct sim_random random = {sim_mix2(campus->seed, PURPOSE_OWNER)};
    campus->devices = calloc(campus->device_count, sizeof(*campus->devices));
    campus->users = calloc(campus->device_count, sizeof(*campus->users));
    if (!campus->devices || !campus->users) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < campus->device_count;) {
        uint32_t lot = sim_random_below(&random, 9);
        unsigned devices = lot >= 7 && i + 1 < campus->device_count ? 2 : 1;
        uint32_t user = lot < 4 ? SIM_NOBODY : campus->user_count;
        int r = user == SIM_NOBODY ? 0 : make_user(campus, i, devices);
        for (unsigned k = 0; r >= 0 && k < devices; k++) {
            r = make_device(campus, i + k, user);
        }
        if (r < 0) {
            return r;
        }
        i += devices;
    }
    return 0;
}
