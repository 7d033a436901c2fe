/* Path MTU: what routers say (RFC 1191, RFC 8201), and black holes that say nothing (RFC 4821,
 * RFC 8899).
 *
 * An ICMP message is believed after icmp.c has matched it to what is in flight. When timeouts
 * repeat and full-sized segments are what is lost, the path may swallow large packets in silence:
 * the segment size is lowered step by step, to the sizes that common links have. */
#include "tcp/conn.h"

/* Typical MTUs of paths, for the search downwards (RFC 8899 5.3.2 leaves the table open). */
static const uint16_t plateau[] = { 9000, 4352, 1500, 1492, 1400, 1280, 1024, 576 };

void l4_pmtu_reduced(struct l4_tcp *c, uint32_t mtu, l4_time now)
{
	uint32_t floor = l4_addr_is_ip4(&c->remote.addr) ? c->ts->cfg.pmtu_floor : 1280;
	if (mtu < floor)
		mtu = floor;
	if (!c->pmtu || mtu >= c->pmtu)
		return;
	c->pmtu = (uint16_t)mtu;
	c->path.mtu = (uint16_t)mtu;
	l4_tcp_sync_mss(c);
	l4_sb_resize_segments(c, c->snd_mss);
	c->rtx_why = (struct l4_why){ .code = L4_WHY_PMTU_RTX, .a = (int64_t)mtu };
	if (c->sb.n) { /* RFC 1191 6.5: send again at once; no congestion */
		l4_tcp_rearm_rto(c, now);
		l4_tcp_output_check(c, now);
	}
}

/* Called at each timeout: after two in a row, try the next size below that of what is lost. A
 * segment shorter than any size to try is lost for another reason; one shorter than the MSS may
 * still be too long for the path, as the last of a stream often is. */
void l4_pmtu_on_rto(struct l4_tcp *c, l4_time now)
{
	if (!c->ts->cfg.mtu_probing || !c->opt_pmtu || c->retransmits < 2 || !c->sb.n || !c->pmtu)
		return;
	uint32_t floor = l4_addr_is_ip4(&c->remote.addr) ? 576 : 1280;
	uint32_t headers = c->pmtu > c->snd_mss ? c->pmtu - c->snd_mss : 40;
	uint32_t lost = l4_sb_at(&c->sb, 0)->len;
	for (size_t i = 0; i < sizeof plateau / sizeof plateau[0]; i++) {
		if (plateau[i] >= c->pmtu || plateau[i] < floor || plateau[i] - headers >= lost)
			continue;
		c->ts->ctr.blackholes++;
		c->pmtu = plateau[i];
		l4_tcp_sync_mss(c);
		l4_sb_resize_segments(c, c->snd_mss);
		break;
	}
	(void)now;
}
