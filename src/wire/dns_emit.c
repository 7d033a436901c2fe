/* Building DNS messages, with compression of names (RFC 1035 4.1.4).
 *
 * The writer remembers where in the message names (and their tails) start, up to 32 of them and
 * below offset 0x4000, and looks there for the longest tail of each new name. The names of record
 * types newer than RFC 1035 are written whole (RFC 3597 4). A record that does not fit leaves
 * nothing behind. */
#include <layer4/dns.h>

#include <string.h>

#include "base/cursor.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

int l4_dns_writer_init(struct l4_dns_writer *w, void *buf, size_t cap, const struct l4_dns_hdr *hdr)
{
	memset(w, 0, sizeof *w);
	w->buf = buf;
	w->cap = cap < 65535 ? cap : 65535;
	if (cap < L4_DNS_HDR_LEN)
		return L4_ETRUNC;
	unsigned f = hdr->rcode & 15u;
	f |= hdr->qr ? 0x8000u : 0;
	f |= (hdr->opcode & 15u) << 11;
	f |= hdr->aa ? 0x0400u : 0;
	f |= hdr->tc ? 0x0200u : 0;
	f |= hdr->rd ? 0x0100u : 0;
	f |= hdr->ra ? 0x0080u : 0;
	f |= hdr->ad ? 0x0020u : 0;
	f |= hdr->cd ? 0x0010u : 0;
	memset(w->buf, 0, L4_DNS_HDR_LEN);
	l4_put_u16(w->buf, hdr->id);
	l4_put_u16(w->buf + 2, (uint16_t)f);
	w->len = L4_DNS_HDR_LEN;
	return L4_OK;
}

/* Where the name's tail from `at` on stands in the message already; 0: nowhere. */
static size_t find_tail(
    const struct l4_dns_writer *w, size_t written, const struct l4_dns_name *name, size_t at)
{
	struct l4_dns_name tail, there;
	tail.len = (uint8_t)(name->len - at);
	memcpy(tail.b, name->b + at, tail.len);
	for (size_t i = 0; i < w->seen_n; i++) {
		if (l4_dns_name_parse(&there, w->buf, written, w->seen[i]) > 0 &&
		    there.len == tail.len && memcmp(there.b, tail.b, tail.len) == 0)
			return w->seen[i];
	}
	return 0;
}

static void emit_name(
    struct l4_dns_writer *w, struct l4_wr *out, const struct l4_dns_name *name, bool compress)
{
	size_t at = 0;
	/* What an unfinished record wrote counts as well: offsets are remembered as they come. */
	while (name->b[at] != 0) {
		size_t here = l4_wr_len(out);
		size_t to = compress ? find_tail(w, here, name, at) : 0;
		if (to) {
			l4_wr_u16(out, (uint16_t)(0xc000 | to));
			return;
		}
		l4_wr_bytes(out, name->b + at, name->b[at] + (size_t)1);
		at += name->b[at] + (size_t)1;
	}
	l4_wr_u8(out, 0);
}

/* Remembers the starts of the labels of a name that was written at off and is whole. */
static void remember(struct l4_dns_writer *w, size_t off, size_t end)
{
	while (off < end && off < 0x4000 && w->seen_n < N(w->seen)) {
		uint8_t n = w->buf[off];
		if (n == 0 || n >= 0xc0)
			return;
		w->seen[w->seen_n++] = (uint16_t)off;
		off += n + (size_t)1;
	}
}

static void emit_name_and_remember(
    struct l4_dns_writer *w, struct l4_wr *out, const struct l4_dns_name *name)
{
	size_t off = l4_wr_len(out);
	emit_name(w, out, name, true);
	if (l4_wr_ok(out))
		remember(w, off, l4_wr_len(out));
}

/* A cursor at the end of what is written, which counts its length from the message's start. */
static struct l4_wr begin(struct l4_dns_writer *w)
{
	struct l4_wr out = l4_wr_init(w->buf, w->cap);
	(void)l4_wr_take(&out, w->len);
	return out;
}

static int enter_section(struct l4_dns_writer *w, uint8_t section)
{
	if (section > L4_DNS_ADDITIONAL)
		return L4_EINVAL;
	if (section < w->section)
		return L4_ESTATE;
	w->section = section;
	return l4_get_u16(w->buf + 4 + 2 * section) == 65535 ? L4_ELIMIT : L4_OK;
}

/* Keeps the record, or forgets it and sets TC. */
static int commit(struct l4_dns_writer *w, const struct l4_wr *out, uint8_t seen_before)
{
	if (!l4_wr_ok(out)) {
		w->seen_n = seen_before;
		w->buf[2] |= 0x02;
		return L4_ETRUNC;
	}
	w->len = l4_wr_len(out);
	uint8_t *count = w->buf + 4 + 2 * w->section;
	l4_put_u16(count, (uint16_t)(l4_get_u16(count) + 1));
	return L4_OK;
}

int l4_dns_add_question(
    struct l4_dns_writer *w, const struct l4_dns_name *name, uint16_t type, uint16_t class_)
{
	int rc = enter_section(w, L4_DNS_QUESTION);
	if (rc < 0)
		return rc;
	uint8_t seen = w->seen_n;
	struct l4_wr out = begin(w);
	emit_name_and_remember(w, &out, name);
	l4_wr_u16(&out, type);
	l4_wr_u16(&out, class_);
	return commit(w, &out, seen);
}

static void emit_soa(struct l4_dns_writer *w, struct l4_wr *out, const struct l4_dns_soa *soa)
{
	emit_name_and_remember(w, out, &soa->mname);
	emit_name_and_remember(w, out, &soa->rname);
	l4_wr_u32(out, soa->serial);
	l4_wr_u32(out, soa->refresh_s);
	l4_wr_u32(out, soa->retry_s);
	l4_wr_u32(out, soa->expire_s);
	l4_wr_u32(out, soa->minimum_s);
}

static void emit_rdata(struct l4_dns_writer *w, struct l4_wr *out, const struct l4_dns_rdata *d)
{
	switch (d->type) {
	case L4_DNS_A:
		l4_wr_bytes(out, d->u.addr.b + 12, 4);
		break;
	case L4_DNS_AAAA:
		l4_wr_bytes(out, d->u.addr.b, 16);
		break;
	case L4_DNS_NS:
	case L4_DNS_CNAME:
	case L4_DNS_PTR:
		emit_name_and_remember(w, out, &d->u.name);
		break;
	case L4_DNS_DNAME: /* RFC 6672 2.1: not compressed */
		emit_name(w, out, &d->u.name, false);
		break;
	case L4_DNS_SOA:
		emit_soa(w, out, &d->u.soa);
		break;
	case L4_DNS_MX:
		l4_wr_u16(out, d->u.srv.priority);
		emit_name_and_remember(w, out, &d->u.srv.target);
		break;
	case L4_DNS_SRV: /* RFC 2782: not compressed */
		l4_wr_u16(out, d->u.srv.priority);
		l4_wr_u16(out, d->u.srv.weight);
		l4_wr_u16(out, d->u.srv.port);
		emit_name(w, out, &d->u.srv.target, false);
		break;
	case L4_DNS_CAA:
		l4_wr_u8(out, d->u.caa.flags);
		l4_wr_u8(out, d->u.caa.tag_len);
		l4_wr_bytes(out, d->u.caa.tag, d->u.caa.tag_len);
		l4_wr_bytes(out, d->u.caa.value, d->u.caa.value_len);
		break;
	case L4_DNS_SVCB:
	case L4_DNS_HTTPS:
		l4_wr_u16(out, d->u.svcb.priority);
		emit_name(w, out, &d->u.svcb.target, false);
		l4_wr_bytes(out, d->u.svcb.params, d->u.svcb.params_len);
		break;
	case L4_DNS_OPT:
		l4_wr_bytes(out, d->u.opt.options, d->u.opt.options_len);
		break;
	default:
		l4_wr_bytes(out, d->u.raw.bytes, d->u.raw.len);
		break;
	}
}

static int add(struct l4_dns_writer *w, uint8_t section, const struct l4_dns_name *name,
    uint16_t class_, uint32_t ttl, const struct l4_dns_rdata *d)
{
	int rc = section == L4_DNS_QUESTION ? L4_EINVAL : enter_section(w, section);
	if (rc < 0)
		return rc;
	uint8_t seen = w->seen_n;
	struct l4_wr out = begin(w);
	emit_name_and_remember(w, &out, name);
	l4_wr_u16(&out, d->type);
	l4_wr_u16(&out, class_);
	l4_wr_u32(&out, ttl);
	uint8_t *rdlen = l4_wr_take(&out, 2);
	size_t start = l4_wr_len(&out);
	emit_rdata(w, &out, d);
	if (rdlen && l4_wr_ok(&out))
		l4_put_u16(rdlen, (uint16_t)(l4_wr_len(&out) - start));
	return commit(w, &out, seen);
}

int l4_dns_add_rr(struct l4_dns_writer *w, uint8_t section, const struct l4_dns_name *name,
    uint32_t ttl_s, const struct l4_dns_rdata *rdata)
{
	if (rdata->type == L4_DNS_A && !l4_addr_is_ip4(&rdata->u.addr))
		return L4_EINVAL;
	if (rdata->type == L4_DNS_OPT)
		return L4_EINVAL;
	return add(w, section, name, L4_DNS_IN, ttl_s, rdata);
}

int l4_dns_add_addr(struct l4_dns_writer *w, uint8_t section, const struct l4_dns_name *name,
    uint32_t ttl_s, const struct l4_addr *a)
{
	struct l4_dns_rdata d;
	d.type = l4_addr_is_ip4(a) ? L4_DNS_A : L4_DNS_AAAA;
	d.u.addr = *a;
	return add(w, section, name, L4_DNS_IN, ttl_s, &d);
}

int l4_dns_add_opt(struct l4_dns_writer *w, const struct l4_dns_opt *opt)
{
	struct l4_dns_name root = { .len = 1, .b = { 0 } };
	struct l4_dns_rdata d;
	d.type = L4_DNS_OPT;
	d.u.opt = *opt;
	uint32_t ttl = (uint32_t)opt->ext_rcode << 24 | (uint32_t)opt->version << 16 |
		       (opt->dnssec_ok ? 0x8000u : 0);
	return add(w, L4_DNS_ADDITIONAL, &root, opt->udp_size, ttl, &d);
}

int l4_dns_query_emit(void *buf, size_t cap, uint16_t id, const struct l4_dns_name *name,
    uint16_t type, uint16_t udp_size, bool dnssec_ok)
{
	struct l4_dns_hdr h = { .id = id, .rd = true };
	struct l4_dns_opt opt = { .udp_size = udp_size, .dnssec_ok = dnssec_ok };
	struct l4_dns_writer w;
	int rc = l4_dns_writer_init(&w, buf, cap, &h);
	if (rc == L4_OK)
		rc = l4_dns_add_question(&w, name, type, L4_DNS_IN);
	if (rc == L4_OK && udp_size)
		rc = l4_dns_add_opt(&w, &opt);
	return rc < 0 ? rc : (int)w.len;
}
