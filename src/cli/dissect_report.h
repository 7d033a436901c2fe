/* Views over a whole capture: conversations, events, statistics, one stream's bytes. Included by
 * src/cli only. */
#ifndef L4_CLI_DISSECT_REPORT_H
#define L4_CLI_DISSECT_REPORT_H

#include <layer4/dissect.h>
#include <stdbool.h>

#include "cli/out.h"

/* proto: 6, 17, 0 (pairs of IP addresses), -1: all. names: ports by those of /etc/services. */
void report_conversations(
    struct out *o, const struct l4_dissect *d, int proto, bool json, bool names);

struct expert;
struct expert *expert_new(struct l4_dissect *d);
void expert_packet(struct expert *e, const struct l4_dissected *p);
void expert_print(struct expert *e, struct out *o, bool json);

struct stats;
struct stats *stats_new(struct l4_dissect *d);
void stats_packet(struct stats *s, const struct l4_dissected *p);
void stats_print(struct stats *s, struct out *o, bool json);

struct follow;
/* proto 6 or 17; raw: only the bytes. budget: bytes kept while a hole waits to be filled. */
struct follow *follow_new(uint8_t proto, uint32_t stream, bool raw, size_t budget);
void follow_raw(struct follow *f);
void follow_packet(struct follow *f, struct out *o, const struct l4_dissected *p);
/* False: there was no such stream. */
bool follow_end(struct follow *f, struct out *o);

#endif
