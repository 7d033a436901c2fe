/* Path MTUs learned from ICMP (RFC 1191, RFC 8201).
 *
 * A fixed table of 256 sets of 4, indexed by keyed hash of the destination: bounded whatever is
 * told, and what a stranger cannot steer. An entry ages after ten minutes (RFC 1191 6.3), so that
 * a larger path is found again. Entries come only of errors that a transport has checked against
 * what it sent (RFC 5927 7). */
#include "ip/ip.h"

#define PMTU_LIFE (600 * L4_SEC)

static struct l4_pmtu_entry *set_of(const struct l4_ip *ip, const struct l4_addr *dst)
{
	return &ip->pmtu[l4_ip_hash(ip, dst->b, 16) % L4_PMTU_SETS * L4_PMTU_WAYS];
}

static struct l4_pmtu_entry *find(const struct l4_ip *ip, const struct l4_addr *dst)
{
	if (!ip->pmtu)
		return NULL;
	struct l4_pmtu_entry *e = set_of(ip, dst);
	for (unsigned i = 0; i < L4_PMTU_WAYS; i++)
		if (e[i].mtu && l4_addr_eq(&e[i].dst, dst))
			return &e[i];
	return NULL;
}

uint32_t l4_pmtu_get(const struct l4_ip *ip, const struct l4_addr *dst, uint32_t if_mtu)
{
	const struct l4_pmtu_entry *e = find(ip, dst);
	uint32_t mtu = e && e->mtu < if_mtu ? e->mtu : if_mtu;
	return mtu > L4_IP_MTU_MAX ? L4_IP_MTU_MAX : mtu;
}

uint32_t l4_pmtu_lower(struct l4_ip *ip, const struct l4_addr *dst, uint32_t mtu, uint32_t if_mtu,
    uint32_t floor4, l4_time now)
{
	/* RFC 8201 4: never below 1280. For IPv4 a floor far above 68 keeps a forged error from
	 * making a connection useless. */
	uint32_t low = l4_addr_is_ip4(dst) ? floor4 : L4_IP6_MTU_MIN;
	if (mtu < low)
		mtu = low;
	uint32_t cur = l4_pmtu_get(ip, dst, if_mtu);
	if (mtu >= cur)
		return cur; /* an error cannot raise it */
	struct l4_pmtu_entry *e = find(ip, dst);
	if (!ip->pmtu) {
		ip->pmtu =
		    l4_mem_zalloc(ip->mem, L4_PMTU_SETS * L4_PMTU_WAYS * sizeof(ip->pmtu[0]));
		if (!ip->pmtu)
			return cur;
	}
	if (!e) {
		struct l4_pmtu_entry *s = set_of(ip, dst);
		e = s;
		for (unsigned i = 0; i < L4_PMTU_WAYS; i++) {
			if (!s[i].mtu) {
				e = &s[i];
				break;
			}
			if (s[i].until < e->until)
				e = &s[i];
		}
	}
	*e = (struct l4_pmtu_entry){
		.dst = *dst, .mtu = (uint16_t)mtu, .until = l4_time_add(now, PMTU_LIFE)
	};
	ip->pmtu_due = l4_time_min(ip->pmtu_due, e->until);
	ip->gen++;
	return mtu;
}

void l4_pmtu_tick(struct l4_ip *ip, l4_time now)
{
	ip->pmtu_due = L4_TIME_NEVER;
	for (unsigned i = 0; ip->pmtu && i < L4_PMTU_SETS * L4_PMTU_WAYS; i++) {
		struct l4_pmtu_entry *e = &ip->pmtu[i];
		if (!e->mtu)
			continue;
		if (e->until <= now) {
			e->mtu = 0;
			ip->gen++; /* kept paths are looked up again, and find the larger MTU */
		} else {
			ip->pmtu_due = l4_time_min(ip->pmtu_due, e->until);
		}
	}
}
