/* Reassembly of fragments (RFC 791, 815, 1122 3.3.2, 5722, 6946, 7112, 8200 4.5).
 *
 * A datagram being put together is found by hash of (source, destination, id, protocol for IPv4)
 * with a secret. Its fragments stand in an array sorted by offset, found by bisection; there are at
 * most 128. Any overlap but an exact repetition ends it (RFC 5722 4; for IPv4 too, since honest
 * senders do not overlap), as do two different ends. What was ended stays as an empty record till
 * its time is up, so that fragments that come later make no new datagram.
 *
 * All fragments and records together use at most limits.fragment_bytes and 256 records. When that
 * is full the oldest datagram goes: of the newcomer's own source if that holds a quarter or more,
 * else of all. So a flood makes room for the rest of the world at its own cost. */
#include "ip/ip.h"

#include <string.h>

#include "base/cursor.h"

#define FRAGS_MAX     128
#define DATAGRAMS_MAX 256
#define BUCKETS       256
#define TIMEOUT4      (30 * L4_SEC)
#define TIMEOUT6      (60 * L4_SEC) /* RFC 8200 4.5 */
#define ECN_CE        3

struct frag {
	uint16_t off, len;
	uint8_t *data; /* first fragment: header_len bytes of headers precede the data */
	uint32_t size;
};

struct datagram {
	struct datagram *hash_next;
	struct datagram *older, *newer;
	struct l4_addr src, dst;
	uint32_t id;
	uint16_t bucket;
	uint16_t ifindex;
	uint8_t proto; /* IPv4: part of the key; IPv6: Next Header of the first fragment */
	uint8_t version;
	bool dead; /* refused; later fragments are thrown away */
	bool has_end;
	bool link_group;
	uint8_t ecn;    /* as merged so far */
	uint32_t end;   /* length of the data, when has_end */
	uint32_t have;  /* bytes of data here */
	uint32_t bytes; /* memory charged, without the record itself */
	l4_time due;
	uint8_t *header; /* the first fragment's, up to and without the Fragment header */
	uint32_t header_len;
	struct l4_packet first; /* of the first fragment, for Time Exceeded */
	uint16_t nh_off;        /* in header: the octet that named the Fragment header */
	uint32_t n;
	struct frag frags[]; /* FRAGS_MAX */
};

#define RECORD_SIZE (sizeof(struct datagram) + FRAGS_MAX * sizeof(struct frag))

struct l4_reass {
	struct datagram *bucket[BUCKETS];
	struct datagram *oldest, *newest;
	uint32_t n;
	uint64_t bytes; /* all that is charged */
	uint8_t key[16];
};

int l4_reass_new(struct l4_ip *ip)
{
	ip->reass = l4_mem_zalloc(ip->mem, sizeof(*ip->reass));
	if (!ip->reass)
		return L4_ENOMEM;
	l4_rng_bytes(ip->rng, ip->reass->key, sizeof(ip->reass->key));
	return L4_OK;
}

uint64_t l4_reass_bytes(const struct l4_ip *ip)
{
	return ip->reass ? ip->reass->bytes : 0;
}

/* Lets the data go; the record stays. */
static void empty(struct l4_ip *ip, struct datagram *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		l4_mem_free(ip->mem, d->frags[i].data, d->frags[i].size);
	l4_mem_free(ip->mem, d->header, d->header_len);
	ip->reass->bytes -= d->bytes;
	d->header = NULL;
	d->header_len = d->n = d->have = d->bytes = 0;
}

static void discard(struct l4_ip *ip, struct datagram *d)
{
	struct l4_reass *r = ip->reass;
	struct datagram **at = &r->bucket[d->bucket];
	empty(ip, d);
	while (*at != d)
		at = &(*at)->hash_next;
	*at = d->hash_next;
	*(d->older ? &d->older->newer : &r->oldest) = d->newer;
	*(d->newer ? &d->newer->older : &r->newest) = d->older;
	r->n--;
	r->bytes -= RECORD_SIZE;
	l4_mem_free(ip->mem, d, RECORD_SIZE);
}

void l4_reass_free(struct l4_ip *ip)
{
	if (!ip->reass)
		return;
	while (ip->reass->oldest)
		discard(ip, ip->reass->oldest);
	l4_mem_free(ip->mem, ip->reass, sizeof(*ip->reass));
	ip->reass = NULL;
}

/* Makes room for n bytes more, at the cost of the oldest. */
static bool make_room(
    struct l4_ip *ip, const struct l4_addr *src, const struct datagram *keep, uint64_t n)
{
	struct l4_reass *r = ip->reass;
	while (r->bytes + n > ip->limits.fragment_bytes || r->n > DATAGRAMS_MAX) {
		struct datagram *own = NULL, *any = NULL;
		uint64_t own_bytes = 0;
		uint32_t own_n = 0;
		for (struct datagram *d = r->oldest; d; d = d->newer) {
			if (d == keep)
				continue;
			any = any ? any : d;
			if (!l4_addr_eq(&d->src, src))
				continue;
			own = own ? own : d;
			own_bytes += d->bytes + RECORD_SIZE;
			own_n++;
		}
		bool greedy =
		    own_bytes >= ip->limits.fragment_bytes / 4 || own_n >= DATAGRAMS_MAX / 4;
		struct datagram *victim = own && greedy ? own : any;
		if (!victim)
			return false;
		l4_ip_drop(ip, L4_DROP_FRAG_LIMIT, victim->ifindex, victim->have);
		discard(ip, victim);
	}
	return true;
}

static uint16_t bucket_of(const struct l4_ip *ip, const struct l4_packet *k)
{
	uint8_t in[37];
	memcpy(in, k->src.b, 16);
	memcpy(in + 16, k->dst.b, 16);
	l4_put_u32(in + 32, k->frag_id);
	in[36] = k->version == 4 ? k->proto : 0; /* RFC 8200 4.5: not part of the key in IPv6 */
	return (uint16_t)(l4_siphash13(ip->reass->key, in, sizeof(in)) % BUCKETS);
}

static struct datagram *find(const struct l4_ip *ip, const struct l4_packet *k, uint16_t bucket)
{
	struct datagram *d = ip->reass->bucket[bucket];
	for (; d; d = d->hash_next)
		if (d->id == k->frag_id && d->version == k->version &&
		    (k->version == 6 || d->proto == k->proto) && l4_addr_eq(&d->src, &k->src) &&
		    l4_addr_eq(&d->dst, &k->dst))
			return d;
	return NULL;
}

static struct datagram *begin(struct l4_ip *ip, const struct l4_ip_in *in, uint16_t bucket)
{
	struct l4_reass *r = ip->reass;
	const struct l4_packet *k = &in->k;
	r->n++; /* so that make_room counts the newcomer */
	bool room = make_room(ip, &k->src, NULL, RECORD_SIZE);
	r->n--;
	struct datagram *d = room ? l4_mem_zalloc(ip->mem, RECORD_SIZE) : NULL;
	if (!d)
		return NULL;
	d->src = k->src;
	d->dst = k->dst;
	d->id = k->frag_id;
	d->bucket = bucket;
	d->ifindex = in->ifp->index;
	d->proto = k->frag_next;
	d->version = k->version;
	d->ecn = k->tos & 3;
	d->due = in->now + (k->version == 4 ? TIMEOUT4 : TIMEOUT6);
	d->hash_next = r->bucket[bucket];
	r->bucket[bucket] = d;
	d->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = d;
	r->newest = d;
	r->n++;
	r->bytes += RECORD_SIZE;
	return d;
}

/* Refuses the whole datagram, now and for its time. */
static void refuse(
    struct l4_ip *ip, const struct l4_ip_in *in, struct datagram *d, enum l4_drop why)
{
	l4_ip_drop(ip, why, in->ifp->index, in->k.l3_len);
	empty(ip, d);
	d->dead = true;
}

/* RFC 3168 5.3: any CE makes the whole CE, but CE together with not-ECT is refused. */
static bool merge_ecn(struct datagram *d, uint8_t ecn)
{
	if (d->ecn == ecn)
		return true;
	if ((d->ecn == ECN_CE && ecn == 0) || (d->ecn == 0 && ecn == ECN_CE))
		return false;
	if (d->ecn == ECN_CE || ecn == ECN_CE)
		d->ecn = ECN_CE;
	else if (d->ecn != ecn)
		d->ecn = d->ecn == 0 || ecn == 0 ? 0 : d->ecn; /* not-ECT wins over ECT */
	return true;
}

/* Where a fragment that begins at off belongs. */
static uint32_t position(const struct datagram *d, uint32_t off)
{
	uint32_t low = 0, high = d->n;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (d->frags[mid].off < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

enum verdict { FITS, REPEATED, OVERLAPS };

static enum verdict place(
    const struct datagram *d, uint32_t at, const struct l4_packet *k, const uint8_t *data)
{
	uint32_t off = k->frag_off, end = off + k->frag_data_len;
	if (at < d->n) {
		const struct frag *f = &d->frags[at];
		if (f->off == off && f->len == k->frag_data_len &&
		    memcmp(f->data, data, f->len) == 0)
			return REPEATED; /* RFC 8200 4.5: an exact duplicate may be ignored */
		if (f->off < end)
			return OVERLAPS;
	}
	if (at > 0 && (uint32_t)d->frags[at - 1].off + d->frags[at - 1].len > off)
		return OVERLAPS;
	return FITS;
}

static bool check_end(struct datagram *d, const struct l4_packet *k)
{
	uint32_t end = k->frag_off + k->frag_data_len;
	if (!k->frag_more) {
		if (d->has_end && d->end != end)
			return false;
		if (d->n) {
			const struct frag *last = &d->frags[d->n - 1];
			if ((uint32_t)last->off + last->len > end)
				return false;
		}
		d->has_end = true;
		d->end = end;
		return true;
	}
	return !d->has_end || end <= d->end;
}

/* The headers in front of the first fragment's data. */
static bool keep_header(struct l4_ip *ip, struct datagram *d, const struct l4_ip_in *in)
{
	const struct l4_packet *k = &in->k;
	d->header = l4_mem_alloc(ip->mem, k->frag_hdr_len);
	if (!d->header)
		return false;
	memcpy(d->header, in->data + k->l3_off, k->frag_hdr_len);
	d->header_len = k->frag_hdr_len;
	d->nh_off = k->frag_nh_off;
	d->first = *k;
	d->link_group = in->link_group;
	d->proto = k->frag_next;
	d->bytes += k->frag_hdr_len;
	ip->reass->bytes += k->frag_hdr_len;
	return true;
}

static bool insert(struct l4_ip *ip, struct datagram *d, uint32_t at, const struct l4_ip_in *in,
    const uint8_t *data)
{
	const struct l4_packet *k = &in->k;
	uint8_t *copy = l4_mem_alloc(ip->mem, k->frag_data_len);
	if (!copy)
		return false;
	if (k->frag_off == 0 && !keep_header(ip, d, in)) {
		l4_mem_free(ip->mem, copy, k->frag_data_len);
		return false;
	}
	memcpy(copy, data, k->frag_data_len);
	memmove(&d->frags[at + 1], &d->frags[at], (d->n - at) * sizeof(d->frags[0]));
	d->frags[at] = (struct frag){ .off = k->frag_off,
		.len = (uint16_t)k->frag_data_len,
		.data = copy,
		.size = k->frag_data_len };
	d->n++;
	d->have += k->frag_data_len;
	d->bytes += k->frag_data_len;
	ip->reass->bytes += k->frag_data_len;
	return true;
}

/* All bytes are here: puts them in one run behind their header. */
static uint8_t *join(struct l4_ip *ip, const struct datagram *d, uint32_t *len)
{
	uint32_t total = d->header_len + d->end;
	if (total > 65535 + (d->version == 6 ? (uint32_t)L4_IP6_HDR_LEN : 0))
		return NULL;
	uint8_t *b = l4_mem_alloc(ip->mem, total);
	if (!b)
		return NULL;
	memcpy(b, d->header, d->header_len);
	for (uint32_t i = 0; i < d->n; i++)
		memcpy(b + d->header_len + d->frags[i].off, d->frags[i].data, d->frags[i].len);
	if (d->version == 4) {
		l4_put_u16(b + 2, (uint16_t)total);
		b[6] &= 0x40; /* whole again; DF as it was */
		b[7] = 0;
		b[1] = (uint8_t)((b[1] & 0xfc) | d->ecn);
	} else {
		l4_put_u16(b + 4, (uint16_t)(total - L4_IP6_HDR_LEN));
		b[d->nh_off] = d->proto;
		b[1] = (uint8_t)((b[1] & 0xcf) | d->ecn << 4);
	}
	*len = total;
	return b;
}

static void deliver(struct l4_ip *ip, const struct l4_ip_in *last, struct datagram *d)
{
	uint32_t len = 0;
	uint8_t *b = join(ip, d, &len);
	bool link_group = d->link_group;
	discard(ip, d);
	if (!b) {
		l4_ip_drop(ip, L4_DROP_FRAG_LIMIT, last->ifp->index, 0);
		return;
	}
	struct l4_ip_in in = { .data = b,
		.avail = len,
		.ifp = last->ifp,
		.time = last->time,
		.now = last->now,
		.link_group = link_group,
		.loop = last->loop,
		.csum_ok = last->loop,
		.reassembled = true,
		.dst_broadcast = last->dst_broadcast,
		.dst_multicast = last->dst_multicast };
	int rc = l4_packet_parse_ip(&in.k, b, len, len, L4_PACKET_NO_CSUM | L4_PACKET_REASSEMBLED);
	if (rc < 0) {
		l4_ip_drop(ip, in.k.drop, in.ifp->index, len);
		if (in.k.icmp_type)
			l4_icmp_error(ip, &in, in.k.icmp_type, in.k.icmp_code, in.k.icmp_ptr);
	} else {
		ip->c->ip_reassembled++;
		l4_ip_dispatch(ip, &in);
	}
	l4_mem_free(ip->mem, b, len);
}

void l4_reass_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	const struct l4_packet *k = &in->k;
	if (k->frag_data_off + k->frag_data_len > in->avail || k->frag_data_len == 0) {
		l4_ip_drop(ip, k->version == 4 ? L4_DROP_IP4_FRAG_LEN : L4_DROP_IP6_FRAG_LEN,
		    in->ifp->index, k->l3_len);
		return;
	}
	uint16_t bucket = bucket_of(ip, k);
	struct datagram *d = find(ip, k, bucket);
	const uint8_t *data = in->data + k->frag_data_off;
	uint64_t need = k->frag_data_len + (k->frag_off == 0 ? k->frag_hdr_len : 0);
	if (!d)
		d = begin(ip, in, bucket);
	if (!d || (!d->dead && !make_room(ip, &k->src, d, need))) {
		l4_ip_drop(ip, L4_DROP_FRAG_LIMIT, in->ifp->index, k->l3_len);
		return;
	}
	if (d->dead) {
		l4_ip_drop(ip, L4_DROP_FRAG_OVERLAP, in->ifp->index, k->l3_len);
		return;
	}
	if (!merge_ecn(d, k->tos & 3)) {
		refuse(ip, in, d, L4_DROP_FRAG_ECN);
		return;
	}
	uint32_t at = position(d, k->frag_off);
	enum verdict v = place(d, at, k, data);
	if (v == REPEATED)
		return;
	if (v == OVERLAPS) {
		refuse(ip, in, d, L4_DROP_FRAG_OVERLAP);
		return;
	}
	if (!check_end(d, k)) {
		refuse(ip, in, d, L4_DROP_FRAG_END);
		return;
	}
	if (d->n >= FRAGS_MAX || !insert(ip, d, at, in, data)) {
		refuse(ip, in, d, L4_DROP_FRAG_LIMIT);
		return;
	}
	if (d->has_end && d->have == d->end && d->header)
		deliver(ip, in, d);
}

l4_time l4_reass_deadline(const struct l4_ip *ip)
{
	l4_time t = L4_TIME_NEVER;
	/* Oldest first in each version; a 30 s one may stand behind a 60 s one. */
	const struct datagram *d = ip->reass ? ip->reass->oldest : NULL;
	for (unsigned i = 0; d && i < 2; d = d->newer)
		if (i == 0 || d->version == 4) {
			t = l4_time_min(t, d->due);
			i += d->version == 4 ? 2u : 1u;
		}
	return t;
}

/* RFC 792, RFC 1122 3.3.2, RFC 4443 3.3: told only if the first fragment came. */
static void expire(struct l4_ip *ip, struct datagram *d, l4_time now)
{
	struct l4_if *ifp = l4_ip_if(ip, d->ifindex);
	l4_ip_drop(ip, L4_DROP_FRAG_TIMEOUT, d->ifindex, d->have);
	if (d->header && !d->dead && !d->link_group && ifp) {
		uint8_t quote[1280];
		uint32_t hdr = d->header_len, n = d->frags[0].len;
		bool v6 = d->version == 6;
		uint32_t frag_hdr = v6 ? 8 : 0;
		if (hdr + frag_hdr + 8 <= sizeof(quote)) {
			struct l4_packet k = d->first;
			memcpy(quote, d->header, hdr);
			if (v6)
				(void)l4_ip6_frag_emit(d->proto, 0, true, d->id, quote + hdr, 8);
			if (n > sizeof(quote) - hdr - frag_hdr)
				n = (uint32_t)sizeof(quote) - hdr - frag_hdr;
			memcpy(quote + hdr + frag_hdr, d->frags[0].data, n);
			k.l4_off = k.l3_off + hdr + frag_hdr;
			l4_icmp_error_quote(ip, ifp, &k, quote, hdr + frag_hdr + n,
			    v6 ? L4_ICMP6_TIME_EXCEEDED : L4_ICMP_TIME_EXCEEDED, 1, 0, now);
		}
	}
	discard(ip, d);
}

void l4_reass_tick(struct l4_ip *ip, l4_time now)
{
	struct datagram *next;
	for (struct datagram *d = ip->reass->oldest; d; d = next) {
		next = d->newer;
		if (d->due <= now)
			expire(ip, d, now);
	}
}
