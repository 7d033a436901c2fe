/* TCP Fast Open (RFC 7413): cookies given as a server, remembered as a client. */
#include "tcp/conn.h"

/* A keyed hash of the client's address: proves that it has received at that address before. */
void l4_fo_cookie_make(struct l4_tcp_stack *ts, const struct l4_addr *client, uint8_t out[8])
{
	uint8_t m[20] = { 'f', 'o', 'c', 'k' };
	memcpy(m + 4, client->b, 16);
	uint64_t h = l4_siphash24(ts->key_cookie, m, sizeof m);
	memcpy(out, &h, 8);
}

struct l4_fo_entry *l4_fo_find(struct l4_tcp_stack *ts, const struct l4_addr *server)
{
	for (uint32_t i = 0; i < L4_FO_CACHE; i++)
		if (ts->fo[i].len && l4_addr_eq(&ts->fo[i].addr, server))
			return &ts->fo[i];
	return NULL;
}

void l4_fo_learn(
    struct l4_tcp_stack *ts, const struct l4_addr *server, const struct l4_tcp_opts *o, l4_time now)
{
	if (!(o->present & L4_TCPO_FASTOPEN) || o->fo_len < 4 || o->fo_len > 16)
		return;
	struct l4_fo_entry *e = l4_fo_find(ts, server);
	for (uint32_t i = 0; !e && i < L4_FO_CACHE; i++)
		if (!ts->fo[i].len)
			e = &ts->fo[i];
	if (!e) { /* the one not renewed for longest goes */
		e = &ts->fo[0];
		for (uint32_t i = 1; i < L4_FO_CACHE; i++)
			if (ts->fo[i].when < e->when)
				e = &ts->fo[i];
	}
	*e = (struct l4_fo_entry){ .addr = *server, .len = o->fo_len, .mss = o->mss, .when = now };
	memcpy(e->cookie, o->fo_cookie, o->fo_len);
}
