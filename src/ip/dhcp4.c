/* DHCPv4 client (RFC 2131, RFC 2132, RFC 5227).
 *
 * INIT -> SELECTING (DISCOVER sent) -> REQUESTING (an offer taken) -> BOUND, then RENEWING at T1 by
 * unicast to the server and REBINDING at T2 by broadcast. Messages are repeated after 4, 8, 16, 32,
 * 64 s, each plus or minus one (4.1), while renewing after half of what is left but at least 60 s
 * (4.4.5). An address that turns out to be another's (duplicate detection of the interface) is
 * declined and the client begins anew after 10 s (3.1.5). Replies count only with our transaction
 * id, our link address, and the server identifier that the state demands. */
#include "ip/ip.h"

#include <string.h>

#define DELAY_MAX     (10 * L4_SEC) /* 4.4.1: 1 to 10 s; shorter here, hosts start apart */
#define FIRST_REPEAT  (4 * L4_SEC)
#define LAST_REPEAT   (64 * L4_SEC)
#define RENEW_MIN     (60 * L4_SEC)
#define REQUEST_TRIES 4
#define DECLINE_WAIT  (10 * L4_SEC)
#define LEASE_MIN_S   60

enum dhcp_state { D_INIT, D_SELECTING, D_REQUESTING, D_BOUND, D_RENEWING, D_REBINDING };

struct l4_dhcp {
	uint8_t state;
	uint8_t tries;
	uint32_t xid;
	l4_time due;      /* of the state: repeat, T1, T2, or begin */
	l4_time begun;    /* of this acquisition: the field secs */
	l4_time interval; /* of repetition */
	struct l4_addr addr, server, router;
	bool has_router;
	uint8_t mask_len;
	l4_time t1, t2, expires;
};

static struct l4_addr zero4(void)
{
	return l4_addr_from_ip4((const uint8_t[4]){ 0, 0, 0, 0 });
}

static struct l4_addr ones4(void)
{
	return l4_addr_from_ip4((const uint8_t[4]){ 255, 255, 255, 255 });
}

static void restart(struct l4_ip *ip, struct l4_dhcp *d, l4_time low, l4_time high, l4_time now)
{
	d->state = D_INIT;
	d->tries = 0;
	d->due = l4_ip_jitter(ip, now, low, high);
}

int l4_dhcp_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	if (!ifp->dhcp)
		ifp->dhcp = l4_mem_zalloc(ip->mem, sizeof(*ifp->dhcp));
	if (!ifp->dhcp)
		return L4_ENOMEM;
	restart(ip, ifp->dhcp, 0, DELAY_MAX / 100, now);
	return L4_OK;
}

void l4_dhcp_stop(struct l4_ip *ip, struct l4_if *ifp)
{
	l4_mem_free(ip->mem, ifp->dhcp, sizeof(*ifp->dhcp));
	ifp->dhcp = NULL;
}

l4_time l4_dhcp_deadline(const struct l4_if *ifp)
{
	return ifp->dhcp ? ifp->dhcp->due : L4_TIME_NEVER;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void send(struct l4_ip *ip, struct l4_if *ifp, uint8_t type, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	bool renewing = d->state == D_RENEWING || d->state == D_REBINDING;
	bool unicast = d->state == D_RENEWING;
	struct l4_dhcp_msg m = { .type = type,
		.xid = d->xid,
		.chaddr = ifp->mac,
		.ciaddr = renewing ? d->addr : zero4(),
		.yiaddr = zero4(),
		.siaddr = zero4(),
		.giaddr = zero4(),
		.present = L4_DHCPO_CLIENT_ID,
		.ask_params = type != L4_DHCP_DECLINE };
	l4_time secs = (now - d->begun) / L4_SEC;
	m.secs = (uint16_t)(secs > 65535 ? 65535 : secs);
	if ((type == L4_DHCP_REQUEST && d->state == D_REQUESTING) || type == L4_DHCP_DECLINE) {
		m.present |= L4_DHCPO_REQ_ADDR | L4_DHCPO_SERVER_ID; /* table 5 */
		m.req_addr = d->addr;
		m.server_id = d->server;
	}
	uint8_t buf[576];
	int len = l4_dhcp_emit(&m, buf, sizeof(buf));
	if (len < 0)
		return;
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, L4_UDP_HDR_LEN + (uint32_t)len);
	if (!p)
		return;
	struct l4_ip_out o = { .src = renewing ? d->addr : zero4(),
		.dst = unicast ? d->server : ones4(),
		.ifindex = ifp->index,
		.proto = L4_PROTO_UDP,
		.no_loop = true,
		.unspecified = !unicast };
	struct l4_udp_hdr h = {
		.sport = L4_DHCP_CLIENT_PORT, .dport = L4_DHCP_SERVER_PORT, .len = (uint16_t)p->len
	};
	uint8_t *b = l4_pkt_bytes(p);
	(void)l4_udp_emit(&h, b, L4_UDP_HDR_LEN);
	memcpy(b + L4_UDP_HDR_LEN, buf, (size_t)len);
	uint16_t csum = l4_wire_csum(&o.src, &o.dst, L4_PROTO_UDP, b, p->len);
	csum = csum ? csum : 0xffff;
	memcpy(b + 6, &csum, 2);
	p->hdr_len = L4_UDP_HDR_LEN;
	p->why.code = L4_WHY_DHCP;
	(void)l4_ip_output(ip, p, &o, now);
}

/* 4.1: exponential, with a random second either way. */
static void repeat_later(struct l4_ip *ip, struct l4_dhcp *d, l4_time now)
{
	d->due = l4_ip_jitter(ip, now, d->interval - L4_SEC, d->interval + L4_SEC);
	d->interval = l4_time_min(d->interval * 2, LAST_REPEAT);
}

/* 4.4.5: half of what is left to the end of the state, at least a minute. */
static void repeat_half(struct l4_dhcp *d, l4_time end, l4_time now)
{
	l4_time left = end > now ? end - now : 0;
	d->due = l4_time_min(now + (left / 2 > RENEW_MIN ? left / 2 : RENEW_MIN), end);
}

static void forget(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	static const struct l4_addr any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
	struct l4_prefix all = { any4, 96 };
	if (d->has_router)
		(void)l4_route_del(ip, &all, &d->router, ifp->index, L4_ROUTE_DHCP);
	d->has_router = false;
	l4_ip_dns_del(ip, ifp->index, true);
	(void)l4_ip_addr_del(ip, ifp, &d->addr, now);
}

void l4_dhcp_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	switch ((enum dhcp_state)d->state) {
	case D_INIT:
		d->state = D_SELECTING;
		d->xid = l4_rng_u32(ip->rng);
		d->begun = now;
		d->interval = FIRST_REPEAT;
		d->tries = 0;
		send(ip, ifp, L4_DHCP_DISCOVER, now);
		repeat_later(ip, d, now);
		return;
	case D_SELECTING:
		send(ip, ifp, L4_DHCP_DISCOVER, now);
		repeat_later(ip, d, now);
		return;
	case D_REQUESTING:
		if (d->tries++ >= REQUEST_TRIES) { /* 3.1.5: begin anew */
			restart(ip, d, 0, L4_SEC, now);
			return;
		}
		send(ip, ifp, L4_DHCP_REQUEST, now);
		repeat_later(ip, d, now);
		return;
	case D_BOUND:
		d->state = D_RENEWING;
		d->xid = l4_rng_u32(ip->rng);
		d->begun = now;
		send(ip, ifp, L4_DHCP_REQUEST, now);
		repeat_half(d, d->t2, now);
		return;
	case D_RENEWING:
		if (now >= d->t2)
			d->state = D_REBINDING;
		send(ip, ifp, L4_DHCP_REQUEST, now);
		repeat_half(d, d->state == D_RENEWING ? d->t2 : d->expires, now);
		return;
	case D_REBINDING:
		if (now >= d->expires) { /* 4.4.5: stop using it at once */
			forget(ip, ifp, now);
			restart(ip, d, 0, L4_SEC, now);
			return;
		}
		send(ip, ifp, L4_DHCP_REQUEST, now);
		repeat_half(d, d->expires, now);
		return;
	}
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static bool usable(const struct l4_addr *a)
{
	return !l4_addr_is_any(a) && !l4_addr_is_multicast(a) && !l4_addr_is_loopback(a) &&
	       a->b[12] < 224 && a->b[12] != 0;
}

static void on_offer(struct l4_ip *ip, struct l4_if *ifp, const struct l4_dhcp_msg *m, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	if (d->state != D_SELECTING || !(m->present & L4_DHCPO_SERVER_ID) || !usable(&m->yiaddr))
		return;
	d->addr = m->yiaddr;
	d->server = m->server_id;
	d->state = D_REQUESTING;
	d->tries = 1;
	d->interval = FIRST_REPEAT;
	send(ip, ifp, L4_DHCP_REQUEST, now);
	repeat_later(ip, d, now);
}

static void set_times(struct l4_dhcp *d, const struct l4_dhcp_msg *m, l4_time now)
{
	uint64_t lease = m->lease_s < LEASE_MIN_S ? LEASE_MIN_S : m->lease_s;
	if (m->lease_s == 0xffffffff) { /* for ever */
		d->t1 = d->t2 = d->expires = L4_TIME_NEVER;
		return;
	}
	/* 4.4.5: the defaults, and what a server says only if it is in order */
	uint64_t t1 = lease / 2, t2 = lease * 7 / 8;
	if ((m->present & L4_DHCPO_T1) && (m->present & L4_DHCPO_T2) && m->t1_s < m->t2_s &&
	    m->t2_s < lease && m->t1_s >= LEASE_MIN_S / 2) {
		t1 = m->t1_s;
		t2 = m->t2_s;
	}
	d->t1 = now + t1 * L4_SEC;
	d->t2 = now + t2 * L4_SEC;
	d->expires = now + lease * L4_SEC;
}

static uint8_t mask_of(const struct l4_dhcp_msg *m)
{
	if ((m->present & L4_DHCPO_MASK) && m->mask_len && m->mask_len <= 32)
		return m->mask_len;
	return m->yiaddr.b[12] < 128 ? 8 : m->yiaddr.b[12] < 192 ? 16 : 24;
}

static void take_parameters(struct l4_ip *ip, struct l4_if *ifp, const struct l4_dhcp_msg *m)
{
	static const struct l4_addr any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
	struct l4_dhcp *d = ifp->dhcp;
	struct l4_prefix all = { any4, 96 };
	if (d->has_router)
		(void)l4_route_del(ip, &all, &d->router, ifp->index, L4_ROUTE_DHCP);
	d->has_router = m->router_n > 0 && usable(&m->router[0]);
	if (d->has_router) {
		d->router = m->router[0];
		struct l4_route r = { .dst = all,
			.gw = d->router,
			.ifindex = ifp->index,
			.origin = L4_ROUTE_DHCP,
			.metric = 256,
			.until = L4_TIME_NEVER };
		(void)l4_route_add(ip, &r);
	}
	l4_ip_dns_del(ip, ifp->index, true);
	for (unsigned i = 0; i < m->dns_n; i++)
		l4_ip_dns_add(ip, &m->dns[i], ifp->index, L4_TIME_NEVER);
	if ((m->present & L4_DHCPO_MTU) && m->mtu >= 576 && m->mtu < ifp->mtu) {
		ifp->mtu = m->mtu;
		ip->gen++;
	}
}

static void on_ack(struct l4_ip *ip, struct l4_if *ifp, const struct l4_dhcp_msg *m, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	bool fresh = d->state == D_REQUESTING;
	if (!fresh && d->state != D_RENEWING && d->state != D_REBINDING)
		return;
	if (!(m->present & L4_DHCPO_LEASE) || !l4_addr_eq(&m->yiaddr, &d->addr))
		return;
	if (d->state != D_REBINDING &&
	    (!(m->present & L4_DHCPO_SERVER_ID) || !l4_addr_eq(&m->server_id, &d->server)))
		return;
	if (m->present & L4_DHCPO_SERVER_ID)
		d->server = m->server_id;
	set_times(d, m, now);
	d->mask_len = mask_of(m);
	d->state = D_BOUND;
	d->due = d->t1;
	if (fresh) {
		struct l4_prefix p = { d->addr, (uint8_t)(96 + d->mask_len) };
		int rc =
		    l4_ip_addr_add(ip, ifp, &p, L4_ORIGIN_DHCP, L4_TIME_NEVER, L4_TIME_NEVER, now);
		if (rc < 0 && rc != L4_EINUSE) {
			restart(ip, d, DECLINE_WAIT, 2 * DECLINE_WAIT, now);
			return;
		}
	}
	take_parameters(ip, ifp, m);
}

static void on_nak(struct l4_ip *ip, struct l4_if *ifp, const struct l4_dhcp_msg *m, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	if (d->state < D_REQUESTING || d->state == D_BOUND)
		return;
	if (d->state != D_REBINDING &&
	    (!(m->present & L4_DHCPO_SERVER_ID) || !l4_addr_eq(&m->server_id, &d->server)))
		return;
	if (d->state != D_REQUESTING)
		forget(ip, ifp, now);
	restart(ip, d, 0, L4_SEC, now);
}

bool l4_dhcp_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	struct l4_if *ifp = in->ifp;
	struct l4_udp_hdr h;
	struct l4_dhcp_msg m;
	const uint8_t *b = in->data + in->k.l4_off;
	if (in->avail < in->k.l4_off + in->k.l4_len || l4_udp_parse(&h, b, in->k.l4_len) < 0 ||
	    h.sport != L4_DHCP_SERVER_PORT)
		return false;
	if (h.csum_be && !in->csum_ok &&
	    l4_wire_csum(&in->k.src, &in->k.dst, L4_PROTO_UDP, b, h.len) != 0) {
		l4_ip_drop(ip, L4_DROP_UDP_CSUM, ifp->index, in->k.l3_len);
		return true;
	}
	if (l4_dhcp_parse(&m, b + L4_UDP_HDR_LEN, h.len - (size_t)L4_UDP_HDR_LEN) < 0 || !m.reply ||
	    m.xid != ifp->dhcp->xid || !l4_mac_eq(&m.chaddr, &ifp->mac))
		return false;
	if (m.type == L4_DHCP_OFFER)
		on_offer(ip, ifp, &m, in->now);
	else if (m.type == L4_DHCP_ACK)
		on_ack(ip, ifp, &m, in->now);
	else if (m.type == L4_DHCP_NAK)
		on_nak(ip, ifp, &m, in->now);
	return true;
}

void l4_dhcp_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	if (d->state >= D_BOUND)
		forget(ip, ifp, now); /* another net perhaps */
	restart(ip, d, 0, L4_SEC, now);
}

void l4_dhcp_on_conflict(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now)
{
	struct l4_dhcp *d = ifp->dhcp;
	if (!d || !l4_addr_eq(&d->addr, a))
		return;
	d->state = D_REQUESTING; /* so that the DECLINE comes from no address */
	send(ip, ifp, L4_DHCP_DECLINE, now);
	forget(ip, ifp, now);
	restart(ip, d, DECLINE_WAIT, DECLINE_WAIT + L4_SEC, now);
}
