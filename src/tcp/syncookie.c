/* SYN cookies (RFC 4987 3.6): when the backlog is full, the state of a handshake is kept in the
 * initial sequence number itself.
 *
 * Cookie: 5 bits of a counter of 64 s, 3 bits of an index into a table of segment sizes, 24 bits of
 * SipHash over both ends, the peer's ISN, the counter and the index. It is believed for two
 * periods. Window scale, SACK and ECN travel in the low bits of the timestamp (listen.c). */
#include "tcp/conn.h"

#define PERIOD (64 * L4_SEC)

static const uint16_t mss_table[8] = { 216, 536, 1024, 1220, 1380, 1440, 1460, 8960 };

static uint32_t mac(
    const struct l4_tcp_stack *ts, const struct l4_seg *s, uint32_t irs, uint32_t t, uint32_t idx)
{
	uint8_t m[L4_TUPLE_LEN + 12];
	memcpy(m, s->dst.addr.b, 16);
	memcpy(m + 16, s->src.addr.b, 16);
	memcpy(m + 32, &s->dst.port, 2);
	memcpy(m + 34, &s->src.port, 2);
	memcpy(m + 36, &irs, 4);
	memcpy(m + 40, &t, 4);
	memcpy(m + 44, &idx, 4);
	return (uint32_t)l4_siphash24(ts->key_cookie, m, sizeof m) & 0xffffff;
}

uint32_t l4_cookie_make(struct l4_tcp_stack *ts, const struct l4_seg *s, uint16_t mss, l4_time now)
{
	uint32_t t = (uint32_t)(now / PERIOD) & 31, idx = 0;
	while (idx < 7 && mss_table[idx + 1] <= mss)
		idx++;
	return t << 27 | idx << 24 | mac(ts, s, s->h.seq, t, idx);
}

uint16_t l4_cookie_check(struct l4_tcp_stack *ts, const struct l4_seg *s, l4_time now)
{
	uint32_t cookie = s->h.ack - 1, t = cookie >> 27, idx = cookie >> 24 & 7;
	uint32_t age = ((uint32_t)(now / PERIOD) - t) & 31;
	if (age > 1 || mac(ts, s, s->h.seq - 1, t, idx) != (cookie & 0xffffff))
		return 0;
	return mss_table[idx];
}
