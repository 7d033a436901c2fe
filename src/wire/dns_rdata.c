/* The data of DNS records, by type.
 *
 * Each type says exactly which bytes it takes; data that is shorter or longer is malformed
 * (RFC 9267 5). Names inside may be compressed, since old servers do so where they should not, but
 * the part that stands in the data must end inside it. */
#include <layer4/dns.h>

#include <string.h>

#include "base/cursor.h"

/* Reads over the data of one record: a cursor that knows the message for pointers. */
struct src {
	const uint8_t *msg;
	size_t off, end; /* the data that is left, in the message */
	bool bad;
};

static struct l4_rd take(struct src *s, size_t n)
{
	struct l4_rd r = l4_rd_init(s->msg + s->off, s->end - s->off);
	struct l4_rd sub = l4_rd_sub(&r, n);
	if (l4_rd_ok(&sub))
		s->off += n;
	else
		s->bad = true;
	return sub;
}

static uint16_t take16(struct src *s)
{
	struct l4_rd r = take(s, 2);
	return l4_rd_u16(&r);
}

static uint32_t take32(struct src *s)
{
	struct l4_rd r = take(s, 4);
	return l4_rd_u32(&r);
}

static void take_name(struct src *s, struct l4_dns_name *out)
{
	/* Bounded by the end of this data: pointers lead backwards anyway. */
	int n = s->bad ? L4_EMALFORMED : l4_dns_name_parse(out, s->msg, s->end, s->off);
	if (n < 0)
		s->bad = true;
	else
		s->off += (size_t)n;
}

static const uint8_t *take_rest(struct src *s, uint16_t *len)
{
	const uint8_t *p = s->msg + s->off;
	*len = (uint16_t)(s->end - s->off);
	s->off = s->end;
	return p;
}

static void parse_soa(struct src *s, struct l4_dns_soa *soa)
{
	take_name(s, &soa->mname);
	take_name(s, &soa->rname);
	soa->serial = take32(s);
	soa->refresh_s = take32(s);
	soa->retry_s = take32(s);
	soa->expire_s = take32(s);
	soa->minimum_s = take32(s);
}

static void parse_srv(struct src *s, struct l4_dns_srv *srv, bool mx)
{
	srv->priority = take16(s);
	srv->weight = mx ? 0 : take16(s);
	srv->port = mx ? 0 : take16(s);
	take_name(s, &srv->target);
}

static void parse_txt(struct src *s, const uint8_t **bytes, uint16_t *len)
{
	size_t off = 0;
	const uint8_t *str;
	uint8_t n;
	int rc;
	*bytes = take_rest(s, len);
	if (*len == 0)
		s->bad = true; /* RFC 1035 3.3.14: one or more strings */
	while ((rc = l4_dns_txt_next(*bytes, *len, &off, &str, &n)) > 0)
		continue;
	s->bad = s->bad || rc < 0;
}

static void parse_caa(struct src *s, struct l4_dns_caa *caa)
{
	struct l4_rd head = take(s, 2);
	caa->flags = l4_rd_u8(&head);
	caa->tag_len = l4_rd_u8(&head);
	struct l4_rd tag = take(s, caa->tag_len);
	caa->tag = tag.p;
	caa->value = take_rest(s, &caa->value_len);
	/* RFC 8659 4.1: a tag has one letter or digit at least. */
	if (caa->tag_len == 0)
		s->bad = true;
	for (size_t i = 0; !s->bad && i < caa->tag_len; i++) {
		uint8_t c = caa->tag[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			s->bad = true;
	}
}

/* Whether a SvcParam's value has the form of its key (RFC 9460 7, 8; RFC 9461 5). */
static bool svc_value_ok(uint16_t key, const uint8_t *v, size_t n)
{
	size_t off = 0;
	switch (key) {
	case 0: /* mandatory: ascending keys, not itself */
		for (size_t i = 0; i + 2 <= n; i += 2) {
			uint16_t k = l4_get_u16(v + i);
			if (k == 0 || (i > 0 && k <= l4_get_u16(v + i - 2)))
				return false;
		}
		return n > 0 && n % 2 == 0;
	case 1: /* alpn: strings of at least one byte */
		while (off < n) {
			if (v[off] == 0 || v[off] > n - off - 1)
				return false;
			off += 1u + v[off];
		}
		return n > 0;
	case 2: /* no-default-alpn */
		return n == 0;
	case 3: /* port */
		return n == 2;
	case 4: /* ipv4hint */
		return n > 0 && n % 4 == 0;
	case 5: /* ech */
		return n > 0;
	case 6: /* ipv6hint */
		return n > 0 && n % 16 == 0;
	case 65535: /* reserved as invalid */
		return false;
	default:
		return true;
	}
}

static void parse_svcb(struct src *s, struct l4_dns_svcb *svcb)
{
	size_t off = 0;
	uint16_t key, n;
	const uint8_t *v;
	long last = -1;
	int rc;
	svcb->priority = take16(s);
	take_name(s, &svcb->target);
	svcb->params = take_rest(s, &svcb->params_len);
	while ((rc = l4_dns_tlv_next(svcb->params, svcb->params_len, &off, &key, &v, &n)) > 0) {
		/* RFC 9460 2.2: strictly increasing keys */
		if (key <= last || !svc_value_ok(key, v, n))
			s->bad = true;
		last = key;
	}
	s->bad = s->bad || rc < 0;
}

static void parse_opt(struct src *s, const struct l4_dns_rr *rr, struct l4_dns_opt *opt)
{
	size_t off = 0;
	uint16_t key, n;
	const uint8_t *v;
	int rc;
	/* RFC 6891 6.1.2, 6.1.3: class and TTL carry the fields; 6.2.3: below 512 is 512. */
	opt->udp_size = rr->class_ < L4_DNS_UDP_MAX ? L4_DNS_UDP_MAX : rr->class_;
	opt->ext_rcode = (uint8_t)(rr->ttl_s >> 24);
	opt->version = (uint8_t)(rr->ttl_s >> 16);
	opt->dnssec_ok = rr->ttl_s & 0x8000;
	opt->options = take_rest(s, &opt->options_len);
	while ((rc = l4_dns_tlv_next(opt->options, opt->options_len, &off, &key, &v, &n)) > 0)
		continue;
	s->bad = s->bad || rc < 0 || rr->name.len != 1; /* the owner is the root */
}

static void parse_addr(struct src *s, struct l4_addr *a, size_t n)
{
	struct l4_rd r = take(s, n);
	uint8_t b[16] = { 0 };
	l4_rd_bytes(&r, b, n);
	*a = n == 4 ? l4_addr_from_ip4(b) : l4_addr_from_ip6(b);
}

int l4_dns_rdata_parse(
    struct l4_dns_rdata *out, const struct l4_dns_rr *rr, const void *msg, size_t len)
{
	if (rr->rdata_off > len || rr->rdata_len > len - rr->rdata_off)
		return L4_EMALFORMED;
	struct src s = { msg, rr->rdata_off, rr->rdata_off + rr->rdata_len, false };
	out->type = rr->type;
	/* Only the Internet class has Internet addresses. */
	bool raw = rr->class_ != L4_DNS_IN && (rr->type == L4_DNS_A || rr->type == L4_DNS_AAAA);
	switch (raw ? 0 : rr->type) {
	case L4_DNS_A:
		parse_addr(&s, &out->u.addr, 4);
		break;
	case L4_DNS_AAAA:
		parse_addr(&s, &out->u.addr, 16);
		break;
	case L4_DNS_NS:
	case L4_DNS_CNAME:
	case L4_DNS_PTR:
	case L4_DNS_DNAME:
		take_name(&s, &out->u.name);
		break;
	case L4_DNS_SOA:
		parse_soa(&s, &out->u.soa);
		break;
	case L4_DNS_MX:
	case L4_DNS_SRV:
		parse_srv(&s, &out->u.srv, rr->type == L4_DNS_MX);
		break;
	case L4_DNS_TXT:
		parse_txt(&s, &out->u.raw.bytes, &out->u.raw.len);
		break;
	case L4_DNS_CAA:
		parse_caa(&s, &out->u.caa);
		break;
	case L4_DNS_SVCB:
	case L4_DNS_HTTPS:
		parse_svcb(&s, &out->u.svcb);
		break;
	case L4_DNS_OPT:
		parse_opt(&s, rr, &out->u.opt);
		break;
	default:
		out->u.raw.bytes = take_rest(&s, &out->u.raw.len);
		break;
	}
	return s.bad || s.off != s.end ? L4_EMALFORMED : L4_OK;
}

int l4_dns_edns(struct l4_dns_opt *out, const void *msg, size_t len)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	struct l4_dns_rdata data;
	int seen = 0, rc = l4_dns_iter_init(&it, NULL, msg, len);
	if (rc < 0)
		return rc;
	while ((rc = l4_dns_iter_next(&it, &rr)) > 0) {
		if (rr.type != L4_DNS_OPT || rr.section == L4_DNS_QUESTION)
			continue;
		if (seen || rr.section != L4_DNS_ADDITIONAL ||
		    l4_dns_rdata_parse(&data, &rr, msg, len) < 0)
			return L4_EMALFORMED;
		*out = data.u.opt;
		seen = 1;
	}
	return rc < 0 ? rc : seen;
}

int l4_dns_txt_next(
    const uint8_t *bytes, size_t len, size_t *off, const uint8_t **str, uint8_t *str_len)
{
	if (*off >= len)
		return 0;
	size_t left = len - *off - 1;
	uint8_t n = bytes[*off];
	if (n > left)
		return L4_EMALFORMED;
	*str = bytes + *off + 1;
	*str_len = n;
	*off += 1u + n;
	return 1;
}

int l4_dns_tlv_next(const uint8_t *bytes, size_t len, size_t *off, uint16_t *key,
    const uint8_t **value, uint16_t *value_len)
{
	if (*off >= len)
		return 0;
	struct l4_rd r = l4_rd_init(bytes + *off, len - *off);
	*key = l4_rd_u16(&r);
	*value_len = l4_rd_u16(&r);
	*value = l4_rd_take(&r, *value_len);
	if (!l4_rd_ok(&r))
		return L4_EMALFORMED;
	*off = len - l4_rd_left(&r);
	return 1;
}
