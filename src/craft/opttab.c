/* The options and records that may stand in the lists of a layer.
 *
 * A format says which bytes the values are: 1 2 3 4 8 a number of so many bytes, a an IPv4 and A an
 * IPv6 address, m a MAC address, n a DNS name, t a text with a byte of length in front, s a text
 * and h bytes in hex to the end, * any number of what follows, z and a digit so many zero bytes
 * that are no value, c the number (two bytes) of what * repeats. The arguments' names are the last
 * parts of the rows of the protocol's table, in the same order. */
#include <layer4/packet.h>

#include <string.h>

#include "craft/expr.h"

#define O(p, n, k, st, f, a, t)                                                                \
	{                                                                                      \
		.proto = p, .list = "options", .name = n, .kind = k, .style = st, .format = f, \
		.args = a, .title = t                                                          \
	}
#define L(p, l, n, k, st, f, a, t)                                                                \
	{                                                                                         \
		.proto = p, .list = l, .name = n, .kind = k, .style = st, .format = f, .args = a, \
		.title = t                                                                        \
	}
/* The options of IPv6's two options headers: RFC 8200 4.2, 2711, 2675, 6275, 2473. */
#define IP6_OPTIONS(p)                                                                       \
	O(p, "pad1", 0, STYLE_BARE, "", "", "One byte of padding"),                          \
	    O(p, "padn", 1, STYLE_IP6, "h", "padn", "Padding"),                              \
	    O(p, "ra", 5, STYLE_IP6, "2", "router_alert", "Router Alert"),                   \
	    O(p, "jumbo", 194, STYLE_IP6, "4", "jumbo", "Jumbo payload length"),             \
	    O(p, "home", 201, STYLE_IP6, "A", "home_address", "Home Address (Mobile IPv6)"), \
	    O(p, "tel", 4, STYLE_IP6, "1", "tel", "Tunnel Encapsulation Limit")
/* Resource records, in one of the sections of a message. */
#define RECORDS(p, l)                                                                           \
	L(p, l, "a", 1, STYLE_RECORD, "a", "a", "IPv4 address"),                                \
	    L(p, l, "ns", 2, STYLE_RECORD, "n", "ns", "Name server"),                           \
	    L(p, l, "cname", 5, STYLE_RECORD, "n", "cname", "Canonical name"),                  \
	    L(p, l, "soa", 6, STYLE_RECORD, "nn44444",                                          \
		"mname,rname,serial_number,refresh_interval,retry_interval,expire_limit,"       \
		"minimum_ttl",                                                                  \
		"Start of authority"),                                                          \
	    L(p, l, "ptr", 12, STYLE_RECORD, "n", "domain_name", "Pointer to a name"),          \
	    L(p, l, "mx", 15, STYLE_RECORD, "2n", "preference,mail_exchange", "Mail exchange"), \
	    L(p, l, "txt", 16, STYLE_RECORD, "*t", "txt", "Texts"),                             \
	    L(p, l, "aaaa", 28, STYLE_RECORD, "A", "aaaa", "IPv6 address"),                     \
	    L(p, l, "srv", 33, STYLE_RECORD, "222n", "priority,weight,port,target", "Service"), \
	    L(p, l, "ds", 43, STYLE_RECORD, "211h", "keytag,algorithm,digest_type,digest",      \
		"Delegation signer"),                                                           \
	    L(p, l, "https", 65, STYLE_RECORD, "2nh", "priority,target,params",                 \
		"HTTPS service binding"),                                                       \
	    L(p, l, "caa", 257, STYLE_RECORD, "1ts", "flags,tag,value",                         \
		"Certification authority authorization"),                                       \
	    L(p, l, "edns", 41, STYLE_EDNS, "h", "data",                                        \
		"EDNS (size of datagrams; ext_rcode=, version=, do=, z=)"),                     \
	    L(p, l, "rr", 0, STYLE_RECORD, "h", "data", "Any record, by type=")
#define DNS(p)                                                                    \
	L(p, "qd", "q", 0, STYLE_QUESTION, "", "", "Question"), RECORDS(p, "an"), \
	    RECORDS(p, "ns"), RECORDS(p, "ar")

static const struct l4_craft_option options[] = {
	/* RFC 9293 3.1, 7323, 2018, 1072, 1644, 2385, 4782, 5482, 5925, 8684, 7413, 6994 */
	O("tcp", "mss", 2, STYLE_TCP, "2", "mss_val", "Maximum segment size"),
	O("tcp", "ws", 3, STYLE_TCP, "1", "shift", "Window scale"),
	O("tcp", "sackok", 4, STYLE_TCP, "", "", "SACK permitted"),
	O("tcp", "sack", 5, STYLE_TCP, "*44", "sack_le,sack_re", "SACK blocks"),
	O("tcp", "eol", 0, STYLE_BARE, "", "", "End of Option List"),
	O("tcp", "nop", 1, STYLE_BARE, "", "", "No-Operation"),
	O("tcp", "echo", 6, STYLE_TCP, "4", "echo_value", "Echo"),
	O("tcp", "echoreply", 7, STYLE_TCP, "4", "echo_value", "Echo reply"),
	O("tcp", "ts", 8, STYLE_TCP, "44", "tsval,tsecr", "Timestamps"),
	O("tcp", "cc", 11, STYLE_TCP, "4", "cc_value", "Connection count"),
	O("tcp", "ccnew", 12, STYLE_TCP, "4", "cc_value", "CC.NEW"),
	O("tcp", "ccecho", 13, STYLE_TCP, "4", "cc_value", "CC.ECHO"),
	O("tcp", "md5", 19, STYLE_TCP, "h", "digest", "MD5 signature"),
	O("tcp", "qs", 27, STYLE_TCP, "114", "rate,ttl_diff,nonce", "Quick-Start"),
	O("tcp", "uto", 28, STYLE_TCP, "2", "user_to_val", "User timeout"),
	O("tcp", "ao", 29, STYLE_TCP, "11h", "keyid,rnextkeyid,mac", "Authentication"),
	O("tcp", "mptcp", 30, STYLE_TCP, "h", "subtype", "Multipath TCP"),
	O("tcp", "tfo", 34, STYLE_TCP, "h", "cookie", "Fast Open cookie"),
	O("tcp", "exp", 253, STYLE_TCP, "2h", "exid,data", "Experimental (253)"),
	O("tcp", "exp2", 254, STYLE_TCP, "2h", "exid,data", "Experimental (254)"),
	/* RFC 791 3.1, 2113 */
	O("ip", "eol", 0, STYLE_BARE, "", "", "End of Option List"),
	O("ip", "nop", 1, STYLE_BARE, "", "", "No-Operation"),
	O("ip", "rr", 7, STYLE_TCP, "1*a", "ptr,rec_rt", "Record Route"),
	O("ip", "ts", 68, STYLE_TCP, "11*4", "ptr,flag,time_stamp", "Internet Timestamp"),
	O("ip", "sec", 130, STYLE_TCP, "h", "sec", "Security"),
	O("ip", "lsrr", 131, STYLE_TCP, "1*a", "ptr,src_rt", "Loose Source Route"),
	O("ip", "sid", 136, STYLE_TCP, "2", "sid", "Stream Identifier"),
	O("ip", "ssrr", 137, STYLE_TCP, "1*a", "ptr,src_rt", "Strict Source Route"),
	O("ip", "ra", 148, STYLE_TCP, "2", "ra", "Router Alert"),
	IP6_OPTIONS("ipv6.hopopts"),
	IP6_OPTIONS("ipv6.dstopts"),
	L("ipv6.routing", "addrs", "", 0, STYLE_PLAIN, "A", "addr",
	    "Addresses (segments, last first, in type 4)"),
	/* RFC 4861 4.6, 3971, 8106, 4191, 8910 */
	O("icmpv6", "sll", 1, STYLE_NDP, "m", "src_linkaddr", "Source link-layer address"),
	O("icmpv6", "tll", 2, STYLE_NDP, "m", "target_linkaddr", "Target link-layer address"),
	O("icmpv6", "prefix", 3, STYLE_NDP, "1144z4A",
	    "length,flag,valid_lifetime,preferred_lifetime,prefix", "Prefix Information"),
	O("icmpv6", "redirected", 4, STYLE_NDP, "z6h", "data", "Redirected packet"),
	O("icmpv6", "mtu", 5, STYLE_NDP, "z24", "mtu", "MTU"),
	O("icmpv6", "nonce", 14, STYLE_NDP, "h", "nonce", "Nonce (RFC 3971)"),
	O("icmpv6", "route", 24, STYLE_NDP, "114A", "length,flag,lifetime,prefix",
	    "Route Information"),
	O("icmpv6", "rdnss", 25, STYLE_NDP, "z24*A", "lifetime,rdnss", "Recursive DNS Server"),
	O("icmpv6", "dnssl", 31, STYLE_NDP, "z24*n", "lifetime,dnssl", "DNS Search List"),
	O("icmpv6", "portal", 37, STYLE_NDP, "s", "uri", "Captive portal"),
	/* RFC 3810 5.2, 3376 4.2, 1256 */
	L("icmpv6", "records", "rec", 0, STYLE_PLAIN, "1z1cA*A",
	    "record_type,multicast_address,source_address",
	    "Group record: 1 include, 2 exclude, 3 to include, 4 to exclude, 5 allow, 6 block"),
	L("igmp", "records", "rec", 0, STYLE_PLAIN, "1z1ca*a", "record_type,maddr,saddr",
	    "Group record: 1 include, 2 exclude, 3 to include, 4 to exclude, 5 allow, 6 block"),
	L("igmp", "sources", "", 0, STYLE_PLAIN, "a", "saddr", "Addresses of sources"),
	L("icmp", "routers", "router", 0, STYLE_PLAIN, "a4", "router_address,pref_level",
	    "Router and its preference"),
	/* RFC 2890; the bits of the header follow */
	{ .proto = "gre",
	    .list = "options",
	    .name = "checksum",
	    .style = STYLE_PLAIN,
	    .flag = 1,
	    .format = "22",
	    .args = "checksum,offset",
	    .title = "Checksum, as given" },
	{ .proto = "gre",
	    .list = "options",
	    .name = "key",
	    .style = STYLE_PLAIN,
	    .flag = 3,
	    .format = "4",
	    .args = "key",
	    .title = "Key" },
	{ .proto = "gre",
	    .list = "options",
	    .name = "seq",
	    .style = STYLE_PLAIN,
	    .flag = 4,
	    .format = "4",
	    .args = "sequence_number",
	    .title = "Sequence number" },
	/* version 1: RFC 2637 4.1 */
	{ .proto = "gre",
	    .list = "options",
	    .name = "call",
	    .style = STYLE_PLAIN,
	    .flag = 3,
	    .format = "22",
	    .args = "payload_length,call_id",
	    .title = "Key of version 1" },
	{ .proto = "gre",
	    .list = "options",
	    .name = "ack",
	    .style = STYLE_PLAIN,
	    .flag = 9,
	    .format = "4",
	    .args = "ack_number",
	    .title = "Acknowledgment number of version 1" },
	/* RFC 2132 */
	O("dhcp", "pad", 0, STYLE_BARE, "", "", "Padding"),
	O("dhcp", "subnet", 1, STYLE_IP6, "a", "subnet_mask", "Subnet mask"),
	O("dhcp", "time_offset", 2, STYLE_IP6, "4", "time_offset", "Time offset, s"),
	O("dhcp", "router", 3, STYLE_IP6, "*a", "router", "Routers"),
	O("dhcp", "time_server", 4, STYLE_IP6, "*a", "time_server", "Time servers"),
	O("dhcp", "name_server", 5, STYLE_IP6, "*a", "name_server", "Name servers"),
	O("dhcp", "dns", 6, STYLE_IP6, "*a", "domain_name_server", "Domain name servers"),
	O("dhcp", "log_server", 7, STYLE_IP6, "*a", "log_server", "Log servers"),
	O("dhcp", "hostname", 12, STYLE_IP6, "s", "hostname", "Host name"),
	O("dhcp", "domain", 15, STYLE_IP6, "s", "domain_name", "Domain name"),
	O("dhcp", "root_path", 17, STYLE_IP6, "s", "root_path", "Root path"),
	O("dhcp", "mtu", 26, STYLE_IP6, "2", "interface_mtu", "Interface MTU"),
	O("dhcp", "broadcast", 28, STYLE_IP6, "a", "broadcast_address", "Broadcast address"),
	O("dhcp", "nis_domain", 40, STYLE_IP6, "s", "nis_domain", "NIS domain"),
	O("dhcp", "nis_server", 41, STYLE_IP6, "*a", "nis_server", "NIS servers"),
	O("dhcp", "ntp", 42, STYLE_IP6, "*a", "ntp_server", "NTP servers"),
	O("dhcp", "nbns", 44, STYLE_IP6, "*a", "netbios_over_tcpip_name_server",
	    "NetBIOS name servers"),
	O("dhcp", "nbdd", 45, STYLE_IP6, "*a", "netbios_over_tcpip_dd_name_server",
	    "NetBIOS datagram servers"),
	O("dhcp", "nbnode", 46, STYLE_IP6, "1", "netbios_over_tcpip_node_type",
	    "NetBIOS node type"),
	O("dhcp", "nbscope", 47, STYLE_IP6, "s", "netbios_over_tcpip_scope", "NetBIOS scope"),
	O("dhcp", "requested", 50, STYLE_IP6, "a", "requested_ip_address", "Requested IP address"),
	O("dhcp", "lease", 51, STYLE_IP6, "4", "ip_address_lease_time", "Lease time, s"),
	O("dhcp", "overload", 52, STYLE_IP6, "1", "option_overload", "Option overload"),
	O("dhcp", "type", 53, STYLE_IP6, "1", "dhcp", "Message type (Discover, Offer, ...)"),
	O("dhcp", "server", 54, STYLE_IP6, "a", "dhcp_server_id", "Server identifier"),
	O("dhcp", "params", 55, STYLE_IP6, "*1", "request_list_item", "Parameter request list"),
	O("dhcp", "message", 56, STYLE_IP6, "s", "message", "Message"),
	O("dhcp", "maxsize", 57, STYLE_IP6, "2", "dhcp_max_message_size", "Maximum message size"),
	O("dhcp", "renew", 58, STYLE_IP6, "4", "renewal_time_value", "Renewal time, s"),
	O("dhcp", "rebind", 59, STYLE_IP6, "4", "rebinding_time_value", "Rebinding time, s"),
	O("dhcp", "vendor", 60, STYLE_IP6, "s", "vendor_class_id", "Vendor class"),
	O("dhcp", "client", 61, STYLE_IP6, "1h", "client_type,client_id", "Client identifier"),
	O("dhcp", "tftp_name", 66, STYLE_IP6, "s", "tftp_server_name", "TFTP server's name"),
	O("dhcp", "bootfile", 67, STYLE_IP6, "s", "bootfile_name", "Boot file's name"),
	O("dhcp", "tftp_server", 150, STYLE_IP6, "*a", "tftp_server_address", "TFTP servers"),
	O("dhcp", "end", 255, STYLE_BARE, "", "", "End"),
	/* RFC 2516 appendix A */
	O("pppoed", "end", 0, STYLE_TAG, "", "", "End"),
	O("pppoed", "service", 0x101, STYLE_TAG, "s", "service", "Service-Name"),
	O("pppoed", "ac", 0x102, STYLE_TAG, "s", "ac", "AC-Name"),
	O("pppoed", "hostuniq", 0x103, STYLE_TAG, "h", "hostuniq", "Host-Uniq"),
	O("pppoed", "cookie", 0x104, STYLE_TAG, "h", "cookie", "AC-Cookie"),
	DNS("dns"),
	DNS("mdns"),
	DNS("llmnr"),
};

const struct l4_craft_option *l4_craft_option(const struct l4_proto *p, size_t index)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (!strcmp(options[i].proto, p->name) && index-- == 0)
			return &options[i];
	return NULL;
}

const struct l4_craft_option *craft_option_of(
    const struct l4_proto *p, const char *list, uint32_t kind)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (!strcmp(options[i].proto, p->name) && !strcmp(options[i].list, list) &&
		    options[i].kind == kind)
			return &options[i];
	return NULL;
}
