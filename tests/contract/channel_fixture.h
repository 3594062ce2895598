/* channel_fixture.h: the fixture of the receivers' tests, pointed at a channel_server; and the
 * scripts and questions that several tests share. For tests only. */
#ifndef FH_TEST_CHANNEL_FIXTURE_H
#define FH_TEST_CHANNEL_FIXTURE_H

#include "channel_server.h"
#include "source_fixture.h"

#define CHANNEL_MANY 3000 /* records of channel_play_pieces */

/* Start the server of this channel with this script and point the configuration at it. */
void channel_serve(struct fixture *fixture, enum fh_channel channel, channel_script script,
                   bool tls);
/* The channel a test is to run over: the first argument, http, websocket or grpc; exits otherwise.
 */
enum fh_channel channel_from_arguments(int argc, char **argv);
/* What the nth connection asked for. */
struct channel_request channel_asked(unsigned n);
struct collected channel_collected(struct fixture *fixture);
struct fh_receiver_status channel_status(struct fixture *fixture, unsigned receiver);
/* The text collected equals the lines of these records. varied: as channel_send_pieces pads. */
bool channel_lines_are(struct fixture *fixture, unsigned first, unsigned count, bool varied);
/* A millisecond, between two looks at what has no event. */
void channel_breathe(void);

/* Scripts: CHANNEL_MANY records in pieces; one record, numbered as the connection. */
void channel_play_pieces(struct channel_peer *peer, void *userdata);
void channel_play_one(struct channel_peer *peer, void *userdata);

#endif
