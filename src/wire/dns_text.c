/* DNS records as text, in the form of zone files (RFC 1035 5.1, RFC 3597 5, RFC 8659 4.1.1,
 * RFC 9460 2.1).
 *
 * All output goes through a bounded writer whose failure sticks. What is not printable leaves as
 * an escape, so that a record cannot move a terminal's cursor. */
#include <layer4/dns.h>

#include <string.h>

#include "base/cursor.h"

static void put(struct l4_wr *w, const char *s)
{
	l4_wr_bytes(w, s, strlen(s));
}

static void put_num(struct l4_wr *w, uint32_t v)
{
	uint8_t digits[10];
	size_t n = sizeof digits;
	do {
		digits[--n] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	l4_wr_bytes(w, digits + n, sizeof digits - n);
}

static void put_name(struct l4_wr *w, const struct l4_dns_name *n)
{
	char text[L4_DNS_NAME_TEXT_MAX];
	int len = l4_dns_name_format(n, text, sizeof text);
	if (len > 0)
		l4_wr_bytes(w, text, (size_t)len);
}

static void put_addr(struct l4_wr *w, const struct l4_addr *a)
{
	char text[L4_ADDR_TEXT_MAX];
	l4_addr_format(a, text, sizeof text);
	put(w, text);
}

/* An AAAA record holds any 16 bytes; one in ::ffff:0:0/96 must not be shown as an A. */
static void put_addr6(struct l4_wr *w, const struct l4_addr *a)
{
	if (l4_addr_is_ip4(a))
		put(w, "::ffff:");
	put_addr(w, a);
}

/* A byte as backslash and three digits. */
static void put_decimal(struct l4_wr *w, uint8_t c)
{
	l4_wr_u8(w, '\\');
	l4_wr_u8(w, (uint8_t)('0' + c / 100));
	l4_wr_u8(w, (uint8_t)('0' + c / 10 % 10));
	l4_wr_u8(w, (uint8_t)('0' + c % 10));
}

/* A character string in quotes. `list` doubles the escape of commas, which separate the items of
 * a SvcParam's list (RFC 9460 A.1). */
static void put_chars(struct l4_wr *w, const uint8_t *p, size_t n, bool list)
{
	for (size_t i = 0; i < n; i++) {
		if (list && p[i] == ',')
			put(w, "\\\\,");
		else if (list && p[i] == '\\')
			put(w, "\\\\\\\\");
		else if (p[i] < ' ' || p[i] > '~')
			put_decimal(w, p[i]);
		else if (p[i] == '"' || p[i] == '\\')
			l4_wr_u16(w, (uint16_t)('\\' << 8 | p[i]));
		else
			l4_wr_u8(w, p[i]);
	}
}

static void put_quoted(struct l4_wr *w, const uint8_t *p, size_t n)
{
	put(w, "\"");
	put_chars(w, p, n, false);
	put(w, "\"");
}

static void put_base64(struct l4_wr *w, const uint8_t *p, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		size_t k = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;
		v |= k > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= k > 2 ? p[i + 2] : 0u;
		l4_wr_u8(w, (uint8_t)digits[v >> 18]);
		l4_wr_u8(w, (uint8_t)digits[v >> 12 & 63]);
		l4_wr_u8(w, (uint8_t)(k > 1 ? digits[v >> 6 & 63] : '='));
		l4_wr_u8(w, (uint8_t)(k > 2 ? digits[v & 63] : '='));
	}
}

static void put_hex(struct l4_wr *w, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		l4_wr_u8(w, (uint8_t)digits[p[i] >> 4]);
		l4_wr_u8(w, (uint8_t)digits[p[i] & 15]);
	}
}

static void put_txt(struct l4_wr *w, const uint8_t *bytes, size_t len)
{
	size_t off = 0;
	const uint8_t *str;
	uint8_t n;
	const char *sep = "";
	while (l4_dns_txt_next(bytes, len, &off, &str, &n) > 0) {
		put(w, sep);
		put_quoted(w, str, n);
		sep = " ";
	}
}

static const char *const svc_keys[] = { "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint",
	"ech", "ipv6hint", "dohpath", "ohttp" };

static void put_svc_key(struct l4_wr *w, uint16_t key)
{
	if (key < sizeof svc_keys / sizeof svc_keys[0]) {
		put(w, svc_keys[key]);
		return;
	}
	put(w, "key");
	put_num(w, key);
}

static void put_hints(struct l4_wr *w, const uint8_t *v, size_t n, size_t size)
{
	for (size_t i = 0; i + size <= n; i += size) {
		if (i)
			put(w, ",");
		struct l4_addr a = size == 4 ? l4_addr_from_ip4(v + i) : l4_addr_from_ip6(v + i);
		if (size == 4)
			put_addr(w, &a);
		else
			put_addr6(w, &a);
	}
}

static void put_alpn(struct l4_wr *w, const uint8_t *v, size_t n)
{
	size_t off = 0;
	const uint8_t *str;
	uint8_t len;
	const char *sep = "";
	put(w, "\"");
	while (l4_dns_txt_next(v, n, &off, &str, &len) > 0) {
		put(w, sep);
		put_chars(w, str, len, true);
		sep = ",";
	}
	put(w, "\"");
}

static void put_svc_value(struct l4_wr *w, uint16_t key, const uint8_t *v, size_t n)
{
	switch (key) {
	case 0:
		for (size_t i = 0; i + 2 <= n; i += 2) {
			if (i)
				put(w, ",");
			put_svc_key(w, l4_get_u16(v + i));
		}
		break;
	case 1:
		put_alpn(w, v, n);
		break;
	case 3:
		put_num(w, l4_get_u16(v));
		break;
	case 4:
		put_hints(w, v, n, 4);
		break;
	case 5:
		put_base64(w, v, n);
		break;
	case 6:
		put_hints(w, v, n, 16);
		break;
	default:
		put_quoted(w, v, n);
		break;
	}
}

static void put_svcb(struct l4_wr *w, const struct l4_dns_svcb *s)
{
	size_t off = 0;
	uint16_t key, n;
	const uint8_t *v;
	put_num(w, s->priority);
	put(w, " ");
	put_name(w, &s->target);
	while (l4_dns_tlv_next(s->params, s->params_len, &off, &key, &v, &n) > 0) {
		put(w, " ");
		put_svc_key(w, key);
		if (n > 0) {
			put(w, "=");
			put_svc_value(w, key, v, n);
		}
	}
}

/* No standard gives OPT a text; this is one line of "what it says". */
static void put_opt(struct l4_wr *w, const struct l4_dns_opt *o)
{
	size_t off = 0;
	uint16_t key, n;
	const uint8_t *v;
	put(w, "version ");
	put_num(w, o->version);
	put(w, " udp ");
	put_num(w, o->udp_size);
	put(w, o->dnssec_ok ? " do" : "");
	while (l4_dns_tlv_next(o->options, o->options_len, &off, &key, &v, &n) > 0) {
		put(w, " opt");
		put_num(w, key);
		put(w, "=");
		put_hex(w, v, n);
	}
}

static void put_soa(struct l4_wr *w, const struct l4_dns_soa *soa)
{
	put_name(w, &soa->mname);
	put(w, " ");
	put_name(w, &soa->rname);
	const uint32_t numbers[] = { soa->serial, soa->refresh_s, soa->retry_s, soa->expire_s,
		soa->minimum_s };
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		put(w, " ");
		put_num(w, numbers[i]);
	}
}

static void put_rdata(struct l4_wr *w, const struct l4_dns_rdata *d, const uint8_t *raw, size_t n)
{
	switch (d->type) {
	case L4_DNS_A:
		put_addr(w, &d->u.addr);
		break;
	case L4_DNS_AAAA:
		put_addr6(w, &d->u.addr);
		break;
	case L4_DNS_NS:
	case L4_DNS_CNAME:
	case L4_DNS_PTR:
	case L4_DNS_DNAME:
		put_name(w, &d->u.name);
		break;
	case L4_DNS_SOA:
		put_soa(w, &d->u.soa);
		break;
	case L4_DNS_MX:
	case L4_DNS_SRV:
		put_num(w, d->u.srv.priority);
		put(w, " ");
		if (d->type == L4_DNS_SRV) {
			put_num(w, d->u.srv.weight);
			put(w, " ");
			put_num(w, d->u.srv.port);
			put(w, " ");
		}
		put_name(w, &d->u.srv.target);
		break;
	case L4_DNS_TXT:
		put_txt(w, d->u.raw.bytes, d->u.raw.len);
		break;
	case L4_DNS_CAA:
		put_num(w, d->u.caa.flags);
		put(w, " ");
		l4_wr_bytes(w, d->u.caa.tag, d->u.caa.tag_len);
		put(w, " ");
		put_quoted(w, d->u.caa.value, d->u.caa.value_len);
		break;
	case L4_DNS_SVCB:
	case L4_DNS_HTTPS:
		put_svcb(w, &d->u.svcb);
		break;
	case L4_DNS_OPT:
		put_opt(w, &d->u.opt);
		break;
	default: /* RFC 3597 5 */
		put(w, "\\# ");
		put_num(w, (uint32_t)n);
		put(w, n ? " " : "");
		put_hex(w, raw, n);
		break;
	}
}

static int finish(struct l4_wr *w)
{
	l4_wr_u8(w, 0);
	return l4_wr_ok(w) ? (int)l4_wr_len(w) - 1 : L4_ETRUNC;
}

int l4_dns_rdata_format(
    const struct l4_dns_rr *rr, const void *msg, size_t len, char *text, size_t cap)
{
	struct l4_dns_rdata d;
	struct l4_wr w = l4_wr_init(text, cap);
	int rc = l4_dns_rdata_parse(&d, rr, msg, len);
	if (rc < 0)
		return rc;
	if (rr->class_ != L4_DNS_IN && (rr->type == L4_DNS_A || rr->type == L4_DNS_AAAA))
		d.type = 0; /* bytes of a class that we do not know */
	put_rdata(&w, &d, (const uint8_t *)msg + rr->rdata_off, rr->rdata_len);
	return finish(&w);
}

int l4_dns_rr_format(
    const struct l4_dns_rr *rr, const void *msg, size_t len, char *text, size_t cap)
{
	struct l4_wr w = l4_wr_init(text, cap);
	char word[24];
	put_name(&w, &rr->name);
	if (rr->section != L4_DNS_QUESTION && rr->type != L4_DNS_OPT) {
		put(&w, "\t");
		put_num(&w, rr->ttl_s);
	}
	if (rr->type == L4_DNS_OPT) { /* its class is a size, its TTL flags */
		put(&w, "\tOPT");
	} else {
		(void)l4_dns_class_format(rr->class_, word, sizeof word);
		put(&w, "\t");
		put(&w, word);
		(void)l4_dns_type_format(rr->type, word, sizeof word);
		put(&w, "\t");
		put(&w, word);
	}
	if (rr->section != L4_DNS_QUESTION) {
		put(&w, "\t");
		if (!l4_wr_ok(&w) || l4_wr_left(&w) == 0)
			return L4_ETRUNC;
		int n = l4_dns_rdata_format(rr, msg, len, (char *)w.p, l4_wr_left(&w));
		if (n < 0)
			return n;
		(void)l4_wr_take(&w, (size_t)n);
	}
	return finish(&w);
}
