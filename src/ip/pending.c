/* Parts that follow: RA, DHCP, groups, reassembly. */
#include "ip/ip.h"
int l4_ra_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
	return 0;
}
void l4_ra_stop(struct l4_ip *ip, struct l4_if *ifp)
{
	(void)ip;
	(void)ifp;
}
void l4_ra_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m)
{
	(void)ip;
	(void)in;
	(void)m;
}
void l4_ra_router_gone(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a)
{
	(void)ip;
	(void)ifp;
	(void)a;
}
l4_time l4_ra_deadline(const struct l4_if *ifp)
{
	(void)ifp;
	return L4_TIME_NEVER;
}
void l4_ra_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
}
int l4_dhcp_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
	return 0;
}
void l4_dhcp_stop(struct l4_ip *ip, struct l4_if *ifp)
{
	(void)ip;
	(void)ifp;
}
bool l4_dhcp_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	(void)ip;
	(void)in;
	return false;
}
l4_time l4_dhcp_deadline(const struct l4_if *ifp)
{
	(void)ifp;
	return L4_TIME_NEVER;
}
void l4_dhcp_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
}
void l4_dhcp_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
}
void l4_dhcp_on_conflict(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)a;
	(void)now;
}
int l4_group_join(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, bool reported, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)group;
	(void)source;
	(void)reported;
	(void)now;
	return 0;
}
int l4_group_leave(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)group;
	(void)source;
	(void)now;
	return 0;
}
bool l4_group_accepts(
    const struct l4_if *ifp, const struct l4_addr *group, const struct l4_addr *source)
{
	(void)ifp;
	(void)group;
	(void)source;
	return true;
}
void l4_group_query_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	(void)ip;
	(void)in;
}
void l4_group_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
}
void l4_group_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	(void)ip;
	(void)ifp;
	(void)now;
}
void l4_group_free_all(struct l4_ip *ip, struct l4_if *ifp)
{
	(void)ip;
	(void)ifp;
}
int l4_reass_new(struct l4_ip *ip)
{
	(void)ip;
	return 0;
}
void l4_reass_free(struct l4_ip *ip)
{
	(void)ip;
}
void l4_reass_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	(void)ip;
	(void)in;
}
l4_time l4_reass_deadline(const struct l4_ip *ip)
{
	(void)ip;
	return L4_TIME_NEVER;
}
void l4_reass_tick(struct l4_ip *ip, l4_time now)
{
	(void)ip;
	(void)now;
}
uint64_t l4_reass_bytes(const struct l4_ip *ip)
{
	(void)ip;
	return 0;
}
