/* DHCPv4 messages (RFC 2131) with the options that a host acts on (RFC 2132).
 *
 * The BOOTP part has fixed places; the options are walked in the options field and, where option
 * 52 says so, in `file` and then `sname`. Of an option that comes twice the first counts. An
 * option of impossible length is passed over; one that passes its field condemns the message. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

#define MAGIC 0x63825363u

enum opt {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_DOMAIN = 15,
	OPT_MTU = 26,
	OPT_BROADCAST = 28,
	OPT_REQ_ADDR = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER_ID = 54,
	OPT_PARAMS = 55,
	OPT_MESSAGE = 56,
	OPT_MAX_SIZE = 57,
	OPT_T1 = 58,
	OPT_T2 = 59,
	OPT_CLIENT_ID = 61,
	OPT_END = 255,
};

static int parse_mask(struct l4_dhcp_msg *m, uint32_t mask)
{
	uint32_t holes = ~mask & (~mask + 1);
	if (holes)
		return L4_EMALFORMED;
	m->mask_len = 0;
	for (; mask; mask <<= 1)
		m->mask_len++;
	m->present |= L4_DHCPO_MASK;
	return L4_OK;
}

static void parse_list(struct l4_addr *list, uint8_t *count, const uint8_t *p, size_t n)
{
	if (n % 4 != 0)
		return;
	for (size_t i = 0; i < n && *count < L4_DHCP_LIST_MAX; i += 4)
		list[(*count)++] = l4_addr_from_ip4(p + i);
}

static void parse_text(const char **text, uint8_t *text_len, const uint8_t *p, size_t n)
{
	if (*text || n == 0)
		return;
	*text = (const char *)p;
	*text_len = (uint8_t)n;
}

/* Options whose value is one 32-bit word. */
static int parse_word(struct l4_dhcp_msg *m, uint8_t kind, const uint8_t *p)
{
	switch (kind) {
	case OPT_MASK:
		return m->present & L4_DHCPO_MASK ? L4_OK : parse_mask(m, l4_get_u32(p));
#define WORD(option, bit, field, value)    \
	case option:                       \
		if (!(m->present & (bit))) \
			m->field = value;  \
		m->present |= (bit);       \
		return L4_OK;
		WORD(OPT_REQ_ADDR, L4_DHCPO_REQ_ADDR, req_addr, l4_addr_from_ip4(p))
		WORD(OPT_SERVER_ID, L4_DHCPO_SERVER_ID, server_id, l4_addr_from_ip4(p))
		WORD(OPT_BROADCAST, L4_DHCPO_BROADCAST, broadcast, l4_addr_from_ip4(p))
		WORD(OPT_LEASE, L4_DHCPO_LEASE, lease_s, l4_get_u32(p))
		WORD(OPT_T1, L4_DHCPO_T1, t1_s, l4_get_u32(p))
		WORD(OPT_T2, L4_DHCPO_T2, t2_s, l4_get_u32(p))
#undef WORD
	default:
		return L4_OK;
	}
}

static int parse_option(
    struct l4_dhcp_msg *m, uint8_t *overload, uint8_t kind, const uint8_t *p, size_t n)
{
	switch (kind) {
	case OPT_ROUTER:
		parse_list(m->router, &m->router_n, p, n);
		return L4_OK;
	case OPT_DNS:
		parse_list(m->dns, &m->dns_n, p, n);
		return L4_OK;
	case OPT_HOSTNAME:
		parse_text(&m->hostname, &m->hostname_len, p, n);
		return L4_OK;
	case OPT_DOMAIN:
		parse_text(&m->domain, &m->domain_len, p, n);
		return L4_OK;
	case OPT_MESSAGE:
		parse_text(&m->message, &m->message_len, p, n);
		return L4_OK;
	case OPT_TYPE:
		if (n == 1 && m->type == 0)
			m->type = p[0];
		return L4_OK;
	case OPT_OVERLOAD:
		if (n == 1 && *overload == 0)
			*overload = p[0];
		return L4_OK;
	case OPT_MTU:
		if (n == 2 && !(m->present & L4_DHCPO_MTU)) {
			m->mtu = l4_get_u16(p);
			m->present |= L4_DHCPO_MTU;
		}
		return L4_OK;
	case OPT_CLIENT_ID:
		if (n == 7 && p[0] == 1 && memcmp(p + 1, m->chaddr.b, 6) == 0)
			m->present |= L4_DHCPO_CLIENT_ID;
		return L4_OK;
	default:
		return n == 4 ? parse_word(m, kind, p) : L4_OK;
	}
}

static int walk_options(struct l4_dhcp_msg *m, uint8_t *overload, struct l4_rd r)
{
	while (l4_rd_left(&r) > 0) {
		uint8_t kind = l4_rd_u8(&r);
		if (kind == OPT_PAD)
			continue;
		if (kind == OPT_END)
			return L4_OK;
		size_t n = l4_rd_u8(&r);
		const uint8_t *p = l4_rd_take(&r, n);
		if (!p)
			return L4_EMALFORMED;
		int rc = parse_option(m, overload, kind, p, n);
		if (rc < 0)
			return rc;
	}
	return l4_rd_ok(&r) ? L4_OK : L4_EMALFORMED;
}

static struct l4_addr rd_ip4(struct l4_rd *r)
{
	uint8_t b[4];
	l4_rd_bytes(r, b, 4);
	return l4_addr_from_ip4(b);
}

int l4_dhcp_parse(struct l4_dhcp_msg *out, const void *data, size_t len)
{
	struct l4_dhcp_msg *m = out;
	struct l4_rd r = l4_rd_init(data, len);
	memset(m, 0, sizeof *m);
	uint8_t op = l4_rd_u8(&r), htype = l4_rd_u8(&r), hlen = l4_rd_u8(&r);
	l4_rd_skip(&r, 1);
	m->reply = op == 2;
	m->xid = l4_rd_u32(&r);
	m->secs = l4_rd_u16(&r);
	m->broadcast_flag = l4_rd_u16(&r) & 0x8000;
	m->ciaddr = rd_ip4(&r);
	m->yiaddr = rd_ip4(&r);
	m->siaddr = rd_ip4(&r);
	m->giaddr = rd_ip4(&r);
	l4_rd_bytes(&r, m->chaddr.b, 6);
	l4_rd_skip(&r, 10);
	struct l4_rd sname = l4_rd_sub(&r, 64), file = l4_rd_sub(&r, 128);
	uint32_t magic = l4_rd_u32(&r);
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	if ((op != 1 && op != 2) || htype != 1 || hlen != 6 || magic != MAGIC)
		return L4_EMALFORMED;
	uint8_t overload = 0, once = 0xff; /* an overload inside an overload says nothing */
	int rc = walk_options(m, &overload, r);
	if (rc == L4_OK && (overload & 1))
		rc = walk_options(m, &once, file);
	if (rc == L4_OK && (overload & 2))
		rc = walk_options(m, &once, sname);
	if (rc < 0)
		return rc;
	if (m->type < L4_DHCP_DISCOVER || m->type > L4_DHCP_INFORM)
		return L4_EMALFORMED;
	return (int)len;
}

static void wr_word(struct l4_wr *w, uint8_t kind, uint32_t v)
{
	l4_wr_u8(w, kind);
	l4_wr_u8(w, 4);
	l4_wr_u32(w, v);
}

static void wr_list(struct l4_wr *w, uint8_t kind, const struct l4_addr *list, size_t n)
{
	if (n == 0)
		return;
	l4_wr_u8(w, kind);
	l4_wr_u8(w, (uint8_t)(4 * n));
	for (size_t i = 0; i < n; i++)
		l4_wr_bytes(w, list[i].b + 12, 4);
}

static void wr_text(struct l4_wr *w, uint8_t kind, const char *text, uint8_t n)
{
	if (!text || n == 0)
		return;
	l4_wr_u8(w, kind);
	l4_wr_u8(w, n);
	l4_wr_bytes(w, text, n);
}

static void emit_options(struct l4_wr *w, const struct l4_dhcp_msg *m)
{
	static const uint8_t params[] = { OPT_MASK, OPT_ROUTER, OPT_DNS, OPT_DOMAIN, OPT_MTU,
		OPT_BROADCAST, OPT_LEASE, OPT_SERVER_ID, OPT_T1, OPT_T2 };
	l4_wr_u8(w, OPT_TYPE);
	l4_wr_u8(w, 1);
	l4_wr_u8(w, m->type);
	if (m->present & L4_DHCPO_CLIENT_ID) {
		l4_wr_u8(w, OPT_CLIENT_ID);
		l4_wr_u8(w, 7);
		l4_wr_u8(w, 1);
		l4_wr_bytes(w, m->chaddr.b, 6);
	}
	wr_list(w, OPT_REQ_ADDR, &m->req_addr, m->present & L4_DHCPO_REQ_ADDR ? 1 : 0);
	wr_list(w, OPT_SERVER_ID, &m->server_id, m->present & L4_DHCPO_SERVER_ID ? 1 : 0);
	if (m->present & L4_DHCPO_MASK)
		wr_word(w, OPT_MASK, m->mask_len ? ~(uint32_t)0 << (32 - m->mask_len) : 0);
	wr_list(w, OPT_ROUTER, m->router, m->router_n);
	wr_list(w, OPT_DNS, m->dns, m->dns_n);
	wr_list(w, OPT_BROADCAST, &m->broadcast, m->present & L4_DHCPO_BROADCAST ? 1 : 0);
	if (m->present & L4_DHCPO_LEASE)
		wr_word(w, OPT_LEASE, m->lease_s);
	if (m->present & L4_DHCPO_T1)
		wr_word(w, OPT_T1, m->t1_s);
	if (m->present & L4_DHCPO_T2)
		wr_word(w, OPT_T2, m->t2_s);
	if (m->present & L4_DHCPO_MTU) {
		l4_wr_u8(w, OPT_MTU);
		l4_wr_u8(w, 2);
		l4_wr_u16(w, m->mtu);
	}
	wr_text(w, OPT_HOSTNAME, m->hostname, m->hostname_len);
	wr_text(w, OPT_DOMAIN, m->domain, m->domain_len);
	wr_text(w, OPT_MESSAGE, m->message, m->message_len);
	if (m->ask_params) {
		l4_wr_u8(w, OPT_MAX_SIZE);
		l4_wr_u8(w, 2);
		l4_wr_u16(w, 1472);
		l4_wr_u8(w, OPT_PARAMS);
		l4_wr_u8(w, sizeof params);
		l4_wr_bytes(w, params, sizeof params);
	}
	l4_wr_u8(w, OPT_END);
}

int l4_dhcp_emit(const struct l4_dhcp_msg *in, void *buf, size_t cap)
{
	const struct l4_dhcp_msg *m = in;
	struct l4_wr w = l4_wr_init(buf, cap);
	if (m->router_n > L4_DHCP_LIST_MAX || m->dns_n > L4_DHCP_LIST_MAX || m->mask_len > 32)
		return L4_EINVAL;
	l4_wr_u8(&w, m->reply ? 2 : 1);
	l4_wr_u8(&w, 1); /* Ethernet */
	l4_wr_u8(&w, 6);
	l4_wr_u8(&w, 0);
	l4_wr_u32(&w, m->xid);
	l4_wr_u16(&w, m->secs);
	l4_wr_u16(&w, m->broadcast_flag ? 0x8000 : 0);
	l4_wr_bytes(&w, m->ciaddr.b + 12, 4);
	l4_wr_bytes(&w, m->yiaddr.b + 12, 4);
	l4_wr_bytes(&w, m->siaddr.b + 12, 4);
	l4_wr_bytes(&w, m->giaddr.b + 12, 4);
	l4_wr_bytes(&w, m->chaddr.b, 6);
	l4_wr_zero(&w, 10 + 64 + 128);
	l4_wr_u32(&w, MAGIC);
	emit_options(&w, m);
	if (l4_wr_ok(&w) && l4_wr_len(&w) < L4_DHCP_LEN_MIN)
		l4_wr_zero(&w, L4_DHCP_LEN_MIN - l4_wr_len(&w));
	return l4_wr_ok(&w) ? (int)l4_wr_len(&w) : L4_ETRUNC;
}
