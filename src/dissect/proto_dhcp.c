/* DHCP and BOOTP (RFC 2131, RFC 2132). */
#include "dissect/link.h"

enum {
	DHCP,
	TYPE,
	HW_TYPE,
	HW_LEN,
	HOPS,
	ID,
	SECS,
	FLAGS,
	FLAGS_BC,
	FLAGS_RES,
	IP_CLIENT,
	IP_YOUR,
	IP_SERVER,
	IP_RELAY,
	HW_MAC,
	HW_ADDR,
	HW_PAD,
	SERVER,
	FILE_NAME,
	COOKIE,
	OPT_TYPE,
	OPT_LEN,
	OPT_VALUE,
	OPT_DHCP,
	OPT_MASK,
	OPT_ROUTER,
	OPT_DNS,
	OPT_HOST,
	OPT_DOMAIN,
	OPT_BROADCAST,
	OPT_NTP,
	OPT_REQUESTED,
	OPT_LEASE,
	OPT_SERVER_ID,
	OPT_REQUEST_ITEM,
	OPT_MAX_SIZE,
	OPT_RENEW,
	OPT_REBIND,
	OPT_VENDOR,
	OPT_MESSAGE,
	OPT_TIME_OFFSET,
	OPT_TIME_SERVER,
	OPT_NAME_SERVER,
	OPT_LOG_SERVER,
	OPT_ROOT_PATH,
	OPT_MTU,
	OPT_NIS_DOMAIN,
	OPT_NIS_SERVER,
	OPT_NBNS,
	OPT_NBDD,
	OPT_NB_NODE,
	OPT_NB_SCOPE,
	OPT_TFTP_NAME,
	OPT_BOOTFILE,
	OPT_TFTP_ADDR,
	OPT_OVERLOAD,
	OPT_CLIENT_HW_TYPE,
	OPT_CLIENT_MAC,
	OPT_END,
	OPT_PADDING
};

static const struct l4_value ops[] = { { 1, "Boot Request" }, { 2, "Boot Reply" }, { 0, NULL } };
static const struct l4_value messages[] = { { 1, "Discover" }, { 2, "Offer" }, { 3, "Request" },
	{ 4, "Decline" }, { 5, "ACK" }, { 6, "NAK" }, { 7, "Release" }, { 8, "Inform" },
	{ 9, "Force Renew" }, { 10, "Lease query" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[DHCP] = ROW0("dhcp", "Dynamic Host Configuration Protocol", 1920),
	[TYPE] = ROW(
	    "dhcp.type", "Message type", U8, DEC, AT(0, 8), .values = ops, .def = 1, .alias = "op"),
	[HW_TYPE] = ROW("dhcp.hw.type", "Hardware type", U8, HEX, AT(8, 8), .def = 1),
	[HW_LEN] = ROW("dhcp.hw.len", "Hardware address length", U8, DEC, AT(16, 8), .def = 6),
	[HOPS] = ROW("dhcp.hops", "Hops", U8, DEC, AT(24, 8)),
	[ID] = ROW("dhcp.id", "Transaction ID", U32, HEX, AT(32, 32), .alias = "xid"),
	[SECS] = ROW("dhcp.secs", "Seconds elapsed", U16, DEC, AT(64, 16)),
	[FLAGS] = ROW("dhcp.flags", "Bootp flags", U16, HEX, AT(80, 16)),
	[FLAGS_BC] = ROW("dhcp.flags.bc", "Broadcast flag", BOOL, NONE, AT(80, 1), .depth = 1),
	[FLAGS_RES] =
	    ROW("dhcp.flags.reserved", "Reserved flags", U16, HEX, AT(81, 15), .depth = 1),
	[IP_CLIENT] =
	    ROW("dhcp.ip.client", "Client IP address", IP4, NONE, AT(96, 32), .alias = "ciaddr"),
	[IP_YOUR] = ROW(
	    "dhcp.ip.your", "Your (client) IP address", IP4, NONE, AT(128, 32), .alias = "yiaddr"),
	[IP_SERVER] = ROW(
	    "dhcp.ip.server", "Next server IP address", IP4, NONE, AT(160, 32), .alias = "siaddr"),
	[IP_RELAY] = ROW(
	    "dhcp.ip.relay", "Relay agent IP address", IP4, NONE, AT(192, 32), .alias = "giaddr"),
	[HW_MAC] = ROW(
	    "dhcp.hw.mac_addr", "Client MAC address", MAC, NONE, AT(224, 48), .alias = "chaddr"),
	[HW_ADDR] = ROW("dhcp.hw.addr", "Client hardware address", BYTES, COLON, WALK),
	[HW_PAD] =
	    ROW("dhcp.hw.addr_padding", "Client hardware address padding", BYTES, NONE, WALK),
	[SERVER] = ROW("dhcp.server", "Server host name", STRING, NONE, WALK),
	[FILE_NAME] = ROW("dhcp.file", "Boot file name", STRING, NONE, WALK),
	[COOKIE] = ROW("dhcp.cookie", "Magic cookie", IP4, NONE, WALK),
	[OPT_TYPE] = ROW("dhcp.option.type", "Option", U8, DEC, WALK),
	[OPT_LEN] = ROW("dhcp.option.length", "Length", U8, DEC, .depth = 1),
	[OPT_VALUE] = ROW("dhcp.option.value", "Value", BYTES, NONE, .depth = 1),
	[OPT_DHCP] =
	    ROW("dhcp.option.dhcp", "DHCP Message Type", U8, DEC, .depth = 1, .values = messages),
	[OPT_MASK] = ROW("dhcp.option.subnet_mask", "Subnet Mask", IP4, NONE, .depth = 1),
	[OPT_ROUTER] = ROW("dhcp.option.router", "Router", IP4, NONE, .depth = 1),
	[OPT_DNS] =
	    ROW("dhcp.option.domain_name_server", "Domain Name Server", IP4, NONE, .depth = 1),
	[OPT_HOST] = ROW("dhcp.option.hostname", "Host Name", STRING, NONE, .depth = 1),
	[OPT_DOMAIN] = ROW("dhcp.option.domain_name", "Domain Name", STRING, NONE, .depth = 1),
	[OPT_BROADCAST] =
	    ROW("dhcp.option.broadcast_address", "Broadcast Address", IP4, NONE, .depth = 1),
	[OPT_NTP] =
	    ROW("dhcp.option.ntp_server", "Network Time Protocol Server", IP4, NONE, .depth = 1),
	[OPT_REQUESTED] =
	    ROW("dhcp.option.requested_ip_address", "Requested IP Address", IP4, NONE, .depth = 1),
	[OPT_LEASE] = ROW("dhcp.option.ip_address_lease_time", "IP Address Lease Time", U32, DEC,
	    .depth = 1, .unit = "s"),
	[OPT_SERVER_ID] =
	    ROW("dhcp.option.dhcp_server_id", "DHCP Server Identifier", IP4, NONE, .depth = 1),
	[OPT_REQUEST_ITEM] = ROW(
	    "dhcp.option.request_list_item", "Parameter Request List Item", U8, DEC, .depth = 1),
	[OPT_MAX_SIZE] = ROW(
	    "dhcp.option.dhcp_max_message_size", "Maximum DHCP Message Size", U16, DEC, .depth = 1),
	[OPT_RENEW] = ROW("dhcp.option.renewal_time_value", "Renewal Time Value", U32, DEC,
	    .depth = 1, .unit = "s"),
	[OPT_REBIND] = ROW("dhcp.option.rebinding_time_value", "Rebinding Time Value", U32, DEC,
	    .depth = 1, .unit = "s"),
	[OPT_VENDOR] =
	    ROW("dhcp.option.vendor_class_id", "Vendor class identifier", STRING, NONE, .depth = 1),
	[OPT_MESSAGE] = ROW("dhcp.option.message", "Message", STRING, NONE, .depth = 1),
	[OPT_TIME_OFFSET] =
	    ROW("dhcp.option.time_offset", "Time Offset", I32, DEC, .depth = 1, .unit = "s"),
	[OPT_TIME_SERVER] = ROW("dhcp.option.time_server", "Time Server", IP4, NONE, .depth = 1),
	[OPT_NAME_SERVER] = ROW("dhcp.option.name_server", "Name Server", IP4, NONE, .depth = 1),
	[OPT_LOG_SERVER] = ROW("dhcp.option.log_server", "Log Server", IP4, NONE, .depth = 1),
	[OPT_ROOT_PATH] = ROW("dhcp.option.root_path", "Root Path", STRING, NONE, .depth = 1),
	[OPT_MTU] = ROW("dhcp.option.interface_mtu", "Interface MTU", U16, DEC, .depth = 1),
	[OPT_NIS_DOMAIN] = ROW("dhcp.option.nis_domain", "Network Information Service Domain",
	    STRING, NONE, .depth = 1),
	[OPT_NIS_SERVER] = ROW(
	    "dhcp.option.nis_server", "Network Information Service Server", IP4, NONE, .depth = 1),
	[OPT_NBNS] = ROW("dhcp.option.netbios_over_tcpip_name_server",
	    "NetBIOS over TCP/IP Name Server", IP4, NONE, .depth = 1),
	[OPT_NBDD] = ROW("dhcp.option.netbios_over_tcpip_dd_name_server",
	    "NetBIOS over TCP/IP Datagram Distribution Name Server", IP4, NONE, .depth = 1),
	[OPT_NB_NODE] = ROW("dhcp.option.netbios_over_tcpip_node_type",
	    "NetBIOS over TCP/IP Node Type", U8, DEC, .depth = 1),
	[OPT_NB_SCOPE] = ROW("dhcp.option.netbios_over_tcpip_scope", "NetBIOS over TCP/IP Scope",
	    STRING, NONE, .depth = 1),
	[OPT_TFTP_NAME] =
	    ROW("dhcp.option.tftp_server_name", "TFTP Server Name", STRING, NONE, .depth = 1),
	[OPT_BOOTFILE] =
	    ROW("dhcp.option.bootfile_name", "Bootfile name", STRING, NONE, .depth = 1),
	[OPT_TFTP_ADDR] =
	    ROW("dhcp.option.tftp_server_address", "TFTP Server Address", IP4, NONE, .depth = 1),
	[OPT_OVERLOAD] = ROW("dhcp.option.option_overload", "Option Overload", U8, DEC, .depth = 1),
	[OPT_CLIENT_HW_TYPE] = ROW("dhcp.hw.type", "Hardware type", U8, HEX, .depth = 1),
	[OPT_CLIENT_MAC] = ROW("dhcp.hw.mac_addr", "Client MAC address", MAC, NONE, .depth = 1),
	[OPT_END] = ROW("dhcp.option.end", "Option End", U8, DEC, .depth = 1),
	[OPT_PADDING] = ROW("dhcp.option.padding", "Padding", BYTES, NONE, WALK),
};

/* RFC 2131 3 */
#define COOKIE_VALUE 0x63825363

enum kind { K_IP, K_STRING, K_U8S, K_U16, K_U32, K_I32 };

static const struct {
	uint8_t code, row;
	uint8_t kind;
} options[] = { { 1, OPT_MASK, K_IP }, { 3, OPT_ROUTER, K_IP }, { 6, OPT_DNS, K_IP },
	{ 12, OPT_HOST, K_STRING }, { 15, OPT_DOMAIN, K_STRING }, { 28, OPT_BROADCAST, K_IP },
	{ 42, OPT_NTP, K_IP }, { 50, OPT_REQUESTED, K_IP }, { 51, OPT_LEASE, K_U32 },
	{ 53, OPT_DHCP, K_U8S }, { 54, OPT_SERVER_ID, K_IP }, { 55, OPT_REQUEST_ITEM, K_U8S },
	{ 56, OPT_MESSAGE, K_STRING }, { 57, OPT_MAX_SIZE, K_U16 }, { 58, OPT_RENEW, K_U32 },
	{ 59, OPT_REBIND, K_U32 }, { 60, OPT_VENDOR, K_STRING }, { 2, OPT_TIME_OFFSET, K_I32 },
	{ 4, OPT_TIME_SERVER, K_IP }, { 5, OPT_NAME_SERVER, K_IP }, { 7, OPT_LOG_SERVER, K_IP },
	{ 17, OPT_ROOT_PATH, K_STRING }, { 26, OPT_MTU, K_U16 }, { 40, OPT_NIS_DOMAIN, K_STRING },
	{ 41, OPT_NIS_SERVER, K_IP }, { 44, OPT_NBNS, K_IP }, { 45, OPT_NBDD, K_IP },
	{ 46, OPT_NB_NODE, K_U8S }, { 47, OPT_NB_SCOPE, K_STRING }, { 52, OPT_OVERLOAD, K_U8S },
	{ 66, OPT_TFTP_NAME, K_STRING }, { 67, OPT_BOOTFILE, K_STRING },
	{ 150, OPT_TFTP_ADDR, K_IP } };

static void option_value(struct l4_dissect *d, const uint8_t *o, uint32_t n)
{
	const uint8_t *p = o + 2;
	if (n)
		dis_p(d, OPT_VALUE, p, n);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		if (options[i].code != o[0])
			continue;
		unsigned row = options[i].row;
		if (options[i].kind == K_IP)
			for (uint32_t k = 0; k + 4 <= n; k += 4)
				dis_p(d, row, p + k, 4);
		else if (options[i].kind == K_STRING)
			dis_p(d, row, p, (uint32_t)strnlen((const char *)p, n));
		else if (options[i].kind == K_U8S)
			for (uint32_t k = 0; k < n; k++)
				dis_u(d, row, p + k, 1, p[k]);
		else if (options[i].kind == K_U16 && n == 2)
			dis_u(d, row, p, 2, l4_get_u16(p));
		else if (options[i].kind == K_U32 && n == 4)
			dis_u(d, row, p, 4, l4_get_u32(p));
		else if (options[i].kind == K_I32 && n == 4) {
			struct l4_item *item = dis_u(d, row, p, 4, 0);
			if (item)
				item->v.i = (int32_t)l4_get_u32(p);
		}
	}
	/* RFC 2132 9.14: a hardware type and an address, mostly. */
	if (o[0] == 61 && n == 7 && (p[0] == 1 || p[0] == 6)) {
		dis_u(d, OPT_CLIENT_HW_TYPE, p, 1, p[0]);
		dis_p(d, OPT_CLIENT_MAC, p + 1, 6);
	}
}

/* RFC 2132 9.3: what the fields for names hold instead: 1 file, 2 server, 3 both; 0: names. */
static unsigned overload(const uint8_t *h, uint32_t n)
{
	for (uint32_t at = 240; at + 1 < n && h[at] != 255;) {
		if (h[at] == 0)
			at++;
		else if (h[at] == 52 && at + 2 < n && h[at + 1] >= 1)
			return h[at + 2] & 3;
		else
			at += 2u + h[at + 1];
	}
	return 0;
}

static void message_type(
    struct l4_dissect *d, const uint8_t *h, const uint8_t *o, struct l4_item *title)
{
	const char *t = l4_value_name(messages, o[2]);
	if (title)
		dis_text(d, title, "Dynamic Host Configuration Protocol (%s)",
		    o[2] && t ? t : "Unknown");
	if (!cols(d))
		return;
	col_clear(d);
	col_fmt(d, "DHCP %s", t ? t : "Unknown");
	for (unsigned pad = (unsigned)(t ? strlen(t) : 7); pad < 8; pad++)
		col_str(d, " ");
	col_fmt(d, " - Transaction ID 0x%x", l4_get_u32(h + 4));
}

/* The options from `at` to `end`; outer: those behind the cookie. False: stopped. */
static bool walk(
    struct l4_dissect *d, struct l4_view v, uint32_t at, uint32_t end, bool outer, uint32_t title)
{
	while (at < end) {
		const uint8_t *o = v.p + at;
		/* Wireshark gives the end mark the number of padding */
		dis_u(d, OPT_TYPE, o, 1, o[0] == 255 ? 0 : o[0]);
		if (o[0] == 0 || o[0] == 255) {
			uint32_t n = 1;
			while (o[0] == 0 && at + n < end && o[n] == 0)
				n++;
			at += n;
			if (o[0] == 0) {
				dis_p(d, OPT_PADDING, o, n);
				continue;
			}
			dis_u(d, OPT_END, o, 1, 255);
			if (outer && at < end)
				dis_p(d, OPT_PADDING, v.p + at, end - at);
			return true;
		}
		if (!dis_has(d, v, at + 2))
			return false;
		dis_u(d, OPT_LEN, o + 1, 1, o[1]);
		if (!dis_has(d, v, at + 2u + o[1]))
			return false;
		option_value(d, o, o[1]);
		if (o[0] == 53 && o[1] == 1)
			message_type(d, v.p, o, title ? &d->items[title - 1] : NULL);
		if (outer && o[0] == 52 && o[1] >= 1) {
			if (o[2] & 1 && !walk(d, v, 108, 236, false, title))
				return false;
			if (o[2] & 2 && !walk(d, v, 44, 108, false, title))
				return false;
		}
		at += 2u + o[1];
	}
	return true;
}

static void dissect_dhcp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 240);
	uint32_t own = d->w[0] ? d->out.n_items : 0;
	col_proto(d, "DHCP");
	dis_fixed(d, v, TYPE, ID);
	const uint8_t *h = v.p;
	if (v.cap >= 10) {
		/* Some clients count the seconds in the wrong byte order. */
		uint16_t secs = l4_get_u16(h + 8);
		dis_u(d, SECS, h + 8, 2, secs > 255 && !(secs & 255) ? secs >> 8 : secs);
	}
	dis_fixed(d, v, FLAGS, IP_RELAY);
	if (v.cap >= 44) {
		if (h[2] == 6 && (h[1] == 1 || h[1] == 6)) {
			dis_p(d, HW_MAC, h + 28, 6);
			dis_p(d, HW_PAD, h + 34, 10);
		} else if (h[2] && h[2] <= 16) {
			dis_p(d, HW_ADDR, h + 28, h[2]);
		}
	}
	if (!dis_has(d, v, 236))
		return;
	if (cols(d)) {
		const char *t = l4_value_name(ops, h[0]);
		col_clear(d);
		col_str(d, t ? t : "Unknown BOOTP message type");
	}
	unsigned options_in =
	    v.cap >= 240 && l4_get_u32(h + 236) == COOKIE_VALUE ? overload(h, v.cap) : 0;
	uint32_t n = (uint32_t)strnlen((const char *)h + 44, 64);
	if (!(options_in & 2))
		dis_s(d, SERVER, h + 44, 64, h + 44, n);
	n = (uint32_t)strnlen((const char *)h + 108, 128);
	if (!(options_in & 1))
		dis_s(d, FILE_NAME, h + 108, 128, h + 108, n);
	if (v.len < 240 || !dis_has(d, v, 240) || l4_get_u32(h + 236) != COOKIE_VALUE)
		return;
	dis_p(d, COOKIE, h + 236, 4);
	walk(d, v, 240, v.cap, true, own);
}

static const struct l4_binding bindings[] = { { "udp.port", 67 }, { "udp.port", 68 }, { NULL, 0 } };

const struct l4_dissector l4_dis_dhcp = {
	.proto = PROTO_INIT(
	    "dhcp", "Dynamic Host Configuration Protocol", "DHCP", fields, 1920, bindings),
	.run = dissect_dhcp,
};
