/* record_schema.c: owns the names and numbers of the records, as text, and the tables made of it.
 * Written from the API reference and its .proto file, not generated: the product reads the schema
 * another way, so that one mistake cannot hide on both sides.
 *
 * A message is "%Name field=NUMBER[*][?]KIND ...": * repeated, ? written even when it holds the
 * default (oneof and optional members), KIND one of s string, b bytes, i int32, l int64, f float,
 * d double, o bool, %Message, @Enum. An enum is "@Name VALUE=NUMBER ...". */
#include "record_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char *const texts[] = {
    "%EventRecord recordUid=1s recordTimestamp=2l spacesTenantId=3s spacesTenantName=4s "
    "partnerTenantId=5s eventType=6@EventType deviceEntry=7%DeviceEntry "
    "deviceExit=8%DeviceExit deviceProfileUpdate=10%Device "
    "locationHierarchyChange=11%LocationChange deviceLocationUpdate=12%DeviceLocation "
    "appActivation=13%AppActivation accountAdminChange=14%AccountAdminChange "
    "tpPeopleCountUpdate=15%TPPeopleCountUpdate devicePresence=20%DevicePresence "
    "userPresence=21%UserPresence iotTelemetry=23%IOTTelemetry "
    "iotUserAction=24%IOTUserAction deviceCounts=25%DeviceCounts "
    "cameraCounts=26%CameraCounts rawCameraCounts=27%RawCameraCounts "
    "networkTelemetry=29%NetworkTelemetry locationAnchorUpdate=30%LocationAnchorUpdate "
    "networkStatusUpdate=31%NetworkStatusUpdate bleRssiUpdate=1004%BleRssiUpdate "
    "webexTelemetryUpdate=1007%WebexTelemetryUpdate spaceOccupancy=1008%SpaceOccupancy "
    "spaceOccupancyChange=1009%SpaceOccupancy deviceAssociation=1001%DeviceAssociation "
    "deviceRssiUpdate=1002%DeviceRssiUpdate wifiDeviceUpdate=1003%WifiDeviceUpdate "
    "assetLocationUpdate=1005%AssetLocationUpdate apTopologyChange=1006%ApTopologyChange "
    "buildingFeature=1010%BuildingFeature",
    "%Location locationId=1s name=2s inferredLocationTypes=3*s parent=4%Location "
    "sourceLocationId=5s floorNumber=6i apCount=7i",
    "%Attribute name=1s values=2*s",
    "%SocialNetworkInfo socialNetwork=1@SocialNetwork socialHandle=2s facebook=3%Facebook "
    "twitter=4%Twitter linkedIn=5%LinkedIn",
    "%Facebook id=1s firstName=2s lastName=3s middleName=4s name=5s shortName=6s "
    "nameFormat=7s picture=8s email=9s attributes=101*%Attribute",
    "%Twitter id=1s name=2s screenName=3s friendsCount=4i followersCount=5i "
    "profileImageUrl=6s profileBannerUrl=7s location=8s statusesCount=9i email=10s "
    "profileVerified=11o utcOffset=12s timeZone=13s geoEnabled=14o lang=15s "
    "attributes=101*%Attribute",
    "%LinkedIn id=1s firstName=2s lastName=3s profilePicture=4s email=5s "
    "attributes=101*%Attribute",
    "%Device deviceId=1s userId=2s tags=3*s mobile=4s email=5s gender=6@Gender firstName=7s "
    "lastName=8s postalCode=9s optIns=10*@Device.OptIn attributes=11*%Attribute "
    "macAddress=12s manufacturer=13s os=14s osVersion=15s type=16@DeviceType "
    "socialNetworkInfo=17*%SocialNetworkInfo deviceModel=18s "
    "dhcpProfileInfo=19%Device.DHCPProfileInfo openRoamingUserId=1001s",
    "%Device.DHCPProfileInfo dcProfileName=1s dcDeviceClassTag=2s dcCertaintyMetric=3s "
    "dcProtocolMap=4s",
    "%User userId=1s deviceIds=2*s tags=3*s mobile=4s email=5s gender=6@Gender firstName=7s "
    "lastName=8s postalCode=9s attributes=10*%Attribute "
    "socialNetworkInfo=11*%SocialNetworkInfo",
    "%Dimension length=1f width=2f height=3f offsetX=4f offsetY=5f",
    "%MapDetails mapId=1s imageWidth=2i imageHeight=3i mimeType=4s dimension=5%Dimension",
    "%LocationDetails timeZone=3s city=4s state=5s country=6s category=7s "
    "metadata=8*%LocationDetails.Metadata latitude=9d longitude=10d mapDetails=11%MapDetails",
    "%LocationDetails.Metadata key=1s values=2*s",
    "%DeviceEntry device=1%Device location=2%Location visitId=3s entryTimestamp=4l "
    "entryDateTime=5s timeZone=6s deviceClassification=7s daysSinceLastVisit=8i",
    "%DeviceExit device=1%Device location=2%Location visitId=3s visitDurationMinutes=4i "
    "entryTimestamp=5l entryDateTime=6s exitTimestamp=7l exitDateTime=8s timeZone=9s "
    "deviceClassification=10s visitClassification=11s",
    "%DeviceLocation device=1%Device location=2%Location ssid=3s rawUserId=4s visitId=5s "
    "lastSeen=6l deviceClassification=7s mapId=8s xPos=9f yPos=10f confidenceFactor=11d "
    "latitude=12d longitude=13d unc=14f maxDetectedRssi=15i ipv4=16s ipv6=17*s",
    "%DevicePresence presenceEventType=1@DevicePresenceEventType wasInActive=2o "
    "device=3%Device location=4%Location ssid=5s rawUserId=6s visitId=7s "
    "daysSinceLastVisit=8i entryTimestamp=9l entryDateTime=10s exitTimestamp=11l "
    "exitDateTime=12s visitDurationMinutes=13i timeZone=14s deviceClassification=15s "
    "visitClassification=16s activeDevicesCount=17i inActiveDevicesCount=18i",
    "%UserPresence presenceEventType=1@UserPresenceEventType wasInActive=2o user=3%User "
    "location=4%Location rawUserId=5s visitId=6s entryTimestamp=7l entryDateTime=8s "
    "exitTimestamp=9l exitDateTime=10s visitDurationMinutes=11i timeZone=12s "
    "activeUsersCount=13%UserPresence.UserCount inActiveUsersCount=14%UserPresence.UserCount "
    "connection=15@Connection",
    "%UserPresence.UserCount usersWithUserId=1i usersWithoutUserId=2i totalUsers=3i",
    "%DeviceCounts location=1%Location associatedCount=2l estimatedProbingCount=3l "
    "probingRandomizedPercentage=4d associatedDelta=5i probingDelta=6i estimatedDensity=7d "
    "estimatedCapacityPercentage=8d userCount=12i wirelessUserCount=13i wiredUserCount=14i "
    "rfidTagCount=15i bleTagCount=16i",
    "%NetworkTelemetry networkHealth=1%NetworkTelemetry.NetworkHealth "
    "networkPerformance=2*%NetworkTelemetry.NetworkPerformance location=3%Location",
    "%NetworkTelemetry.NetworkHealth "
    "networkAvailability=1*%NetworkTelemetry.NetworkHealth.NetworkAvailability "
    "apTelemetries=2*%NetworkTelemetry.NetworkHealth.APTelemetry",
    "%NetworkTelemetry.NetworkHealth.NetworkAvailability numOfTests=1i numOfSuccess=2i "
    "successPercentage=3d numOfDnsLookup=4i numOfDnsLookupSuccess=5i "
    "dnsLookupSuccessPercentage=6d band=7s",
    "%NetworkTelemetry.NetworkHealth.APTelemetry "
    "apTelemetryType=1@NetworkTelemetry.NetworkHealth.APTelemetryType average=2d min=3i "
    "max=4i",
    "%NetworkTelemetry.NetworkPerformance avgUploadBandwidthMbps=1d "
    "avgDownloadBandwidthMbps=2d avgPacketLossPercentage=3d avgRttMs=4i "
    "avgDnsLookupTimeMs=5i band=6s jitter=7d mos=8d",
    "%NetworkStatusUpdate deviceType=1@NetworkStatusUpdate.NetworkDeviceType "
    "status=2@NetworkStatusUpdate.NetworkDeviceStatus lastHeard=3l "
    "connectorInfo=4%NetworkStatusUpdate.ConnectorInfo "
    "controllerInfo=5%NetworkStatusUpdate.ControllerInfo",
    "%NetworkStatusUpdate.ConnectorInfo id=1s name=2s ipAddress=3s ovaVersion=4s "
    "dockerVersion=5s",
    "%NetworkStatusUpdate.ControllerInfo id=1s name=2s ipAddress=3s version=4s "
    "connectorId=5s connectorName=6s type=7s",
    "%DeviceInfo deviceType=1@IOTDeviceType deviceId=2s deviceMacAddress=3s group=4*s "
    "deviceName=5s firmwareVersion=6s rawDeviceId=7s manufacturer=8s companyId=9s "
    "serviceUuid=10s label=11s",
    "%DevicePosition xPos=1f yPos=2f latitude=3d longitude=4d confidenceFactor=5d mapId=6s "
    "locationId=7s lastLocatedTime=8l computeType=1001@ComputeType",
    "%IOTTelemetry deviceInfo=1%DeviceInfo detectedPosition=2%DevicePosition "
    "placedPosition=3%DevicePosition location=4%Location "
    "temperature=5%IOTTelemetry.Temperature accelerometer=6%IOTTelemetry.Accelerometer "
    "illuminance=7%IOTTelemetry.Illuminance deviceRtcTime=8l battery=10%IOTTelemetry.Battery "
    "lastUserAction=11%IOTTelemetry.LastUserAction iBeacon=12%IOTTelemetry.iBeacon "
    "eddyStone=13%IOTTelemetry.Eddystone rawHeader=14i rawPayload=15b sequenceNum=16i "
    "pirTrigger=17%IOTTelemetry.PIRTrigger airPressure=18%IOTTelemetry.AirPressure "
    "vendorInfo=19%IOTTelemetry.VendorInfo ccxData=20%CCXData tpData=21%IOTTelemetry.TPData "
    "humidity=22%IOTTelemetry.Humidity airQuality=23%IOTTelemetry.AirQuality "
    "carbonEmissions=24%IOTTelemetry.CarbonEmissions "
    "ambientLight=25%IOTTelemetry.AmbientLight voltage=26%IOTTelemetry.Voltage "
    "illumSolarCell=27%IOTTelemetry.IllumSolarCell illumSensor=28%IOTTelemetry.IllumSensor "
    "occupancyStatus=29%IOTTelemetry.OccupancyStatus "
    "magnetContact=30%IOTTelemetry.MagnetContact maxDetectedRssi=31i "
    "pushButton=32%IOTTelemetry.PushButton allComputedPositions=1001*%DevicePosition "
    "tvoc=1002%IOTTelemetry.Tvoc",
    "%IOTTelemetry.PushButton action=1@IOTTelemetry.PushButtonAction actionButtonLabels=2*s",
    "%IOTTelemetry.TPData presence=1o peopleCount=2l standbyState=3i ambientNoise=4i "
    "drynessScore=5i activeCalls=6i presentationState=7i timeStamp=8l airQualityIndex=9f "
    "temperatureInCelsius=10f humidityInPercentage=11i soundLevel=12i ambientLight=13s "
    "reverberationTime=14i closeProximity=15o airQualityStatus=16s",
    "%IOTTelemetry.Humidity humidityInPercentage=1i rawHumidity=2i",
    "%IOTTelemetry.AirQuality airQualityIndex=1f airQualityPpb=2i airQualityStatus=20s",
    "%IOTTelemetry.CarbonEmissions co2Ppm=1i",
    "%IOTTelemetry.AmbientLight valueLx=1i",
    "%IOTTelemetry.PIRTrigger timestamp=1l",
    "%IOTTelemetry.AirPressure pressure=1f",
    "%IOTTelemetry.VendorInfo manufacturerId=1i",
    "%IOTTelemetry.Voltage valueMv=1f",
    "%IOTTelemetry.IllumSolarCell valueLx=1i",
    "%IOTTelemetry.IllumSensor valueLx=1i",
    "%IOTTelemetry.OccupancyStatus status=1@IOTTelemetry.OccupancyStatus.Status",
    "%IOTTelemetry.MagnetContact contactType=1@IOTTelemetry.MagnetContact.ContactType",
    "%IOTTelemetry.iBeacon beaconMacAddress=1s uuid=2s major=3i minor=4i "
    "advertizedTxPower=5i",
    "%IOTTelemetry.Eddystone beaconMacAddress=1s uid=2?s namespace=3?s url=4?s",
    "%IOTTelemetry.Temperature temperatureInCelsius=1d rawTemperature=2d",
    "%IOTTelemetry.Illuminance value=1d unit=2@IOTTelemetry.Illuminance.IlluminanceUnit",
    "%IOTTelemetry.Battery value=1f unit=2@IOTTelemetry.Battery.BatteryUnit "
    "lastRetrieved=15l",
    "%IOTTelemetry.Accelerometer x=1d y=2d z=3d lastMovementTimestamp=4l counter=5i",
    "%IOTTelemetry.LastUserAction type=1@IOTActionType timestamp=2l",
    "%IOTTelemetry.Tvoc valueInPpb=1001d",
    "%CCXData telemetries=1*%CCXData.Telemetry battery=2%CCXData.Battery "
    "vendor=3%CCXData.Vendor lastBeaconTime=4l lastBeaconSequenceNumber=5i",
    "%CCXData.Telemetry type=1@CCXData.Telemetry.CCXTelemetryType unit=2s value=3s "
    "lastReceivedTime=4l lastReceivedSeqNum=5i",
    "%CCXData.Battery tolerance=1i percentRemaining=2i daysRemaining=3i age=4l "
    "lastReceivedTime=5l lastReceivedSeqNum=6i",
    "%CCXData.Vendor id=1i elementId=2i data=3b lastReceivedTime=4l lastReceivedSeqNum=5i",
    "%IOTUserAction deviceInfo=1%DeviceInfo detectedPosition=2%DevicePosition "
    "placedPosition=3%DevicePosition location=4%Location actionType=5@IOTActionType "
    "actionCount=6i actionTimestamp=7l",
    "%CameraCounts location=1%Location count=4l countDelta=5l",
    "%RawCameraCounts location=1%Location cameraId=2s cameraZoneId=3s count=4l",
    "%TPPeopleCountUpdate tpDeviceId=1s location=2%Location presence=3o peopleCount=4l "
    "standbyState=6i ambientNoise=7i drynessScore=8i activeCalls=9i presentationState=10i "
    "timeStamp=11l macAddress=12s airQualityIndex=13f temperatureInCelsius=14f "
    "humidityInPercentage=15i soundLevel=16i ambientLight=17s reverberationTime=18i "
    "closeProximity=19o airQualityStatus=20s",
    "%LocationChange changeType=1@ChangeType location=2%Location "
    "locationDetails=3%LocationDetails",
    "%LocationAnchorUpdate changeType=1@LocationAnchorUpdate.UpdateType location=2%Location "
    "locationAnchorInfo=3%LocationAnchorInfo",
    "%LocationAnchorInfo identifier=1s uuid=2s major=3i minor=4i txPower=5i advTxPower=6i "
    "frequency=7i xPos=8s yPos=9s zPos=10s latitude=11d longitude=12d mapId=13s",
    "%AppActivation spacesTenantName=1s spacesTenantId=2s partnerTenantId=3s name=4s "
    "referenceId=5s instanceName=6s macFilters=7*s iotGroups=8*s appId=1001s region=1002s",
    "%AccountAdminChange changeType=1@ChangeType loginEmail=2s",
    "%BleRssiUpdate rssiNotification=1001%BleRssiUpdate.RssiNotification "
    "location=1002%Location",
    "%BleRssiUpdate.RssiNotification macAddress=1001s "
    "apRssiMeasurements=1002*%BleRssiUpdate.ApRssiMeasurement "
    "blePayload=1003%BleRssiUpdate.BlePayload",
    "%BleRssiUpdate.ApRssiMeasurement apMacAddress=1001s ifSlotId=1002i bandId=1003i "
    "antennaId=1004i rssi=1005i timestamp=1006l",
    "%BleRssiUpdate.BlePayload timestamp=1001l data=1002s",
    "%WebexTelemetryUpdate deviceInfo=1001%WebexTelemetryUpdate.WebexDeviceInfo "
    "location=1002%Location telemetries=1003*%WebexTelemetryUpdate.WebexTelemetry",
    "%WebexTelemetryUpdate.WebexDeviceInfo deviceId=1001s macAddress=1002s ipAddress=1003s "
    "product=1004s displayName=1005s serialNumber=1006s softwareVersion=1007s "
    "workspaceId=1008s orgId=1009s",
    "%WebexTelemetryUpdate.WebexTelemetry presence=1001?o peopleCount=1002?i "
    "soundLevel=1003?d airQuality=1004?d ambientTemp=1005?d ambientNoise=1006?d "
    "relativeHumidity=1007?d",
    "%SpaceOccupancy location=1001%Location space=1002%SpaceOccupancy.Space "
    "windowStartTimestamp=1003l windowStartDateTime=1004s timeZone=1005s peopleCount=1006?i "
    "peoplePresence=1007?o bookingStatus=1008?o peakPeopleCount=1009?i",
    "%SpaceOccupancy.Space id=1001s name=1002s floorId=1003s type=1004s capacity=1005?i "
    "occupancyType=1006s",
    "%DeviceAssociation device=1001%Device location=1002%Location ssid=1003s "
    "associationState=1004s timestamp=1005l",
    "%DeviceRssiUpdate rssiNotification=1001%BleRssiUpdate.RssiNotification "
    "location=1002%Location",
    "%WifiDeviceUpdate device=1001%Device location=1002%Location",
    "%AssetLocationUpdate deviceInfo=1001%DeviceInfo detectedPosition=1002%DevicePosition "
    "location=1003%Location",
    "%ApTopologyChange changeType=1001@ChangeType location=1002%Location mapId=1003s",
    "%BuildingFeature changeType=1001@ChangeType location=1002%Location "
    "space=1003%SpaceOccupancy.Space mapId=1004s",
    "@Device.OptIn MOBILE_NUMBER=0 EMAIL=1 TERMS_AND_CONDITIONS=2",
    "@NetworkTelemetry.NetworkHealth.APTelemetryType NONE=0 CLIENTS_PER_AP=1 SNR=2 "
    "CHANNEL_UTILIZATION=3 RSSI=4",
    "@NetworkStatusUpdate.NetworkDeviceType NDT_UNKNOWN=0 NDT_CONNECTOR=1 NDT_CONTROLLER=2",
    "@NetworkStatusUpdate.NetworkDeviceStatus NDS_UNKNOWN=0 NDS_CONNECTED=1 "
    "NDS_DISCONNECTED=2 NDS_ACTIVE=3 NDS_INACTIVE=4",
    "@IOTTelemetry.OccupancyStatus.Status OCCUPIED=0 NOT_OCCUPIED=1",
    "@IOTTelemetry.MagnetContact.ContactType OPEN=0 CLOSED=1",
    "@IOTTelemetry.Illuminance.IlluminanceUnit PERCENTAGE=0 LUX=1",
    "@IOTTelemetry.Battery.BatteryUnit PERCENTAGE=0 MILLI_VOLTS=1",
    "@IOTTelemetry.PushButtonAction PBA_PRESS=0 PBA_RELEASE=1",
    "@CCXData.Telemetry.CCXTelemetryType CCX_TELEMETRY_TEMPERATURE=0 "
    "CCX_TELEMETRY_HUMIDITY=1 CCX_TELEMETRY_GPS=2 CCX_TELEMETRY_MOTION=3 "
    "CCX_TELEMETRY_DISTANCE=4 CCX_TELEMETRY_FUEL=5 CCX_TELEMETRY_QUANTITY=6 "
    "CCX_TELEMETRY_PRESSURE=7 CCX_TELEMETRY_STATUS=8 CCX_TELEMETRY_EPC=9 "
    "CCX_TELEMETRY_MOTIONPROB=10 CCX_TELEMETRY_UNKNOWN=11",
    "@LocationAnchorUpdate.UpdateType ADD_UPDATE=0 DELETE=1",
    "@EventType DEVICE_ENTRY=0 DEVICE_EXIT=1 PROFILE_UPDATE=3 LOCATION_CHANGE=4 KEEP_ALIVE=5 "
    "APP_ACTIVATION=6 ACCOUNT_ADMIN_ACTIVATION=7 DEVICE_LOCATION_UPDATE=8 "
    "TP_PEOPLE_COUNT_UPDATE=9 APP_DE_ACTIVATION=10 DEVICE_PRESENCE=15 USER_PRESENCE=16 "
    "IOT_TELEMETRY=18 IOT_USER_ACTION=19 DEVICE_COUNT=20 CAMERA_COUNT=21 RAW_CAMERA_COUNT=22 "
    "NETWORK_TELEMETRY=24 LOCATION_ANCHOR_UPDATE=25 NETWORK_STATUS_UPDATE=26 "
    "DEVICE_ASSOCIATION=1001 DEVICE_RSSI_UPDATE=1002 WIFI_DEVICE_UPDATE=1003 "
    "BLE_RSSI_UPDATE=1004 ASSET_LOCATION_UPDATE=1005 AP_TOPOLOGY_CHANGE=1006 "
    "WEBEX_TELEMETRY=1007 SPACE_OCCUPANCY=1008 SPACE_OCCUPANCY_CHANGE=1009 "
    "BUILDING_FEATURE=1010",
    "@Gender GENDER_NOT_AVAILABLE=0 MALE=1 FEMALE=2 OTHER=3",
    "@DeviceType NOT_AVAILABLE=0 MOBILE=1 TABLET=2 LAPTOP=3 OTHER_DEVICE=4",
    "@SocialNetwork FACEBOOK=0 TWITTER=1 LINKEDIN=2",
    "@ChangeType ADD=0 REMOVE=1 MOVE=2 UPDATE=3",
    "@DevicePresenceEventType DEVICE_ENTRY_EVENT=0 DEVICE_IN_ACTIVE_EVENT=1 "
    "DEVICE_ACTIVE_EVENT=2 DEVICE_EXIT_EVENT=3 DEVICE_SSID_CHANGE_EVENT=4 "
    "DEVICE_RAW_USER_ID_CHANGE_EVENT=5",
    "@UserPresenceEventType USER_ENTRY_EVENT=0 USER_IN_ACTIVE_EVENT=1 USER_ACTIVE_EVENT=2 "
    "USER_EXIT_EVENT=3",
    "@Connection CONN_WIRELESS=0 CONN_WIRED=1",
    "@IOTDeviceType IOT_DEVICE_UNKNOWN=0 IOT_BLE_DEVICE=1 IOT_RFID_TAG=2 IOT_ZIGBEE_DEVICE=3 "
    "IOT_WIRED_DEVICE=4 IOT_TELE_PRESENCE_DEVICE=5 IOT_UWB_TAG=1001",
    "@IOTActionType IOT_ACTION_UNKNOWN=0 IOT_ACTION_DOUBLE_TAP=1 IOT_ACTION_BUTTON_CLICK=2",
    "@ComputeType CT_UNKNOWN=0 CT_RSSI=1001 CT_TDOA=1002",
};
/* clang-format on */

struct sim_schema {
    struct sim_schema_message *messages;
    struct sim_schema_enum *enums;
    struct sim_schema_field *fields;
    struct sim_schema_value *values;
    unsigned message_count, enum_count;
};

struct word {
    const char *text;
    size_t len;
};

/* The next word of a description; false at its end. */
static bool next_word(const char **at, struct word *ret)
{
    const char *start = *at + strspn(*at, " ");
    ret->text = start;
    ret->len = strcspn(start, " ");
    *at = start + ret->len;
    return ret->len > 0;
}

static unsigned count_words(const char *text)
{
    unsigned count = 0;
    struct word word;
    while (next_word(&text, &word)) {
        count++;
    }
    return count;
}

static bool is_name(const char *text, const char *name, size_t len)
{
    size_t own = strcspn(text, " ");
    return own == len && memcmp(text, name, len) == 0;
}

/* Where "%Name" or "@Name" stands among those of its sort; -1 = nowhere. */
static int find_text(const char *name, size_t len)
{
    int index = 0;
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        if (texts[i][0] == name[0]) {
            if (is_name(texts[i], name, len)) {
                return index;
            }
            index++;
        }
    }
    return -1;
}

static int read_field(const struct word *word, struct sim_schema_field *field)
{
    const char *equals = memchr(word->text, '=', word->len);
    if (!equals) {
        return -EINVAL;
    }
    field->name = word->text;
    field->name_len = (unsigned)(equals - word->text);
    char *rest = NULL;
    field->number = (uint32_t)strtoul(equals + 1, &rest, 10);
    field->repeated = *rest == '*';
    rest += field->repeated;
    field->presence = *rest == '?';
    rest += field->presence;
    field->kind = (enum sim_kind) * rest;
    if (*rest == SIM_KIND_MESSAGE || *rest == SIM_KIND_ENUM) {
        field->reference = find_text(rest, (size_t)(word->text + word->len - rest));
        return field->reference < 0 ? -EINVAL : 0;
    }
    return strchr("sbilfdo", *rest) ? 0 : -EINVAL;
}

static int read_value(const struct word *word, struct sim_schema_value *value)
{
    const char *equals = memchr(word->text, '=', word->len);
    if (!equals) {
        return -EINVAL;
    }
    value->name = word->text;
    value->name_len = (unsigned)(equals - word->text);
    value->number = (uint32_t)strtoul(equals + 1, NULL, 10);
    return 0;
}

static int fill(struct sim_schema *schema)
{
    struct sim_schema_field *field = schema->fields;
    struct sim_schema_value *value = schema->values;
    struct sim_schema_message *message = schema->messages;
    struct sim_schema_enum *names = schema->enums;
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        const char *at = texts[i];
        struct word word;
        next_word(&at, &word);
        unsigned count = count_words(at);
        bool is_message = texts[i][0] == SIM_KIND_MESSAGE;
        if (is_message) {
            *message++ = (struct sim_schema_message){field, count};
        } else {
            *names++ = (struct sim_schema_enum){value, count};
        }
        while (next_word(&at, &word)) {
            int r = is_message ? read_field(&word, field++) : read_value(&word, value++);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

int sim_schema_new(struct sim_schema **ret)
{
    size_t fields = 0;
    size_t values = 0;
    struct sim_schema *schema = calloc(1, sizeof(*schema));
    if (!schema) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        if (texts[i][0] == SIM_KIND_MESSAGE) {
            schema->message_count++;
            fields += count_words(texts[i]) - 1;
        } else {
            schema->enum_count++;
            values += count_words(texts[i]) - 1;
        }
    }
    schema->messages = calloc(schema->message_count, sizeof(*schema->messages));
    schema->enums = calloc(schema->enum_count, sizeof(*schema->enums));
    schema->fields = calloc(fields, sizeof(*schema->fields));
    schema->values = calloc(values, sizeof(*schema->values));
    int r = -ENOMEM;
    if (schema->messages && schema->enums && schema->fields && schema->values) {
        r = fill(schema);
    }
    if (r < 0) {
        sim_schema_free(schema);
        return r;
    }
    *ret = schema;
    return 0;
}

void sim_schema_free(struct sim_schema *schema)
{
    if (schema) {
        free(schema->messages);
        free(schema->enums);
        free(schema->fields);
        free(schema->values);
        free(schema);
    }
}

const struct sim_schema_message *sim_schema_message(const struct sim_schema *schema, int index)
{
    return &schema->messages[index];
}

const struct sim_schema_field *sim_schema_field(const struct sim_schema_message *message,
                                                const char *name, size_t len, unsigned *hint)
{
    for (unsigned i = 0; i < message->count; i++) {
        unsigned k = *hint + i;
        k -= k >= message->count ? message->count : 0;
        const struct sim_schema_field *field = &message->fields[k];
        if (field->name_len == len && memcmp(field->name, name, len) == 0) {
            *hint = k + 1 == message->count ? 0 : k + 1;
            return field;
        }
    }
    return NULL;
}

bool sim_schema_value(const struct sim_schema *schema, int index, const char *name, size_t len,
                      uint32_t *ret)
{
    const struct sim_schema_enum *names = &schema->enums[index];
    for (unsigned i = 0; i < names->count; i++) {
        if (names->values[i].name_len == len && memcmp(names->values[i].name, name, len) == 0) {
            *ret = names->values[i].number;
            return true;
        }
    }
    return false;
}
