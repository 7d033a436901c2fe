/* The bytes above TCP: which protocol they are, and streams put together for it. */
#include "dissect/tcp.h"

void l4_streams_free(struct l4_stream_pool *p)
{
	(void)p;
}

void l4_tcp_payload(struct l4_dissect *d, struct l4_view v, const struct l4_tcp_hdr *t,
    struct l4_conv *c, bool from_lo, const struct l4_tcp_ta *ta, unsigned first_row)
{
	(void)t;
	(void)c;
	(void)from_lo;
	(void)ta;
	(void)first_row;
	uint16_t a = d->sport < d->dport ? d->sport : d->dport;
	uint16_t b = d->sport < d->dport ? d->dport : d->sport;
	uint8_t id = d->by_tcp_port[a] != PROTO_NONE ? d->by_tcp_port[a] : d->by_tcp_port[b];
	if (id != PROTO_NONE)
		dis_call(d, id, v);
	else
		dis_data(d, v);
}
