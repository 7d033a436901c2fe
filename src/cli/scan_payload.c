/* What is said to a UDP port so that the service which usually lives there answers.
 *
 * Each is the least valid question of its protocol that changes nothing and whose answer is small
 * (so that nobody's server is made to amplify): versions, empty queries, greetings. Ports without
 * one get an empty datagram. Two bytes or more of each are free for an identifier, where the
 * protocol has one; it is our cookie. */
#include <string.h>

#include "cli/scan.h"

struct payload {
	uint16_t port;
	int16_t id_at; /* offset of a 16-bit identifier; -1: none */
	uint16_t len;
	const char *data;
};

#define P(port, id_at, text)                        \
	{                                           \
		port, id_at, sizeof(text) - 1, text \
	}

/* DNS (RFC 1035): version.bind TXT CH, recursion not desired. */
#define DNS_VERSION "\0\0\0\0\0\1\0\0\0\0\0\0\7version\4bind\0\0\x10\0\3"

static const struct payload payloads[] = {
	P(53, 0, DNS_VERSION),
	P(5355, 0, "\0\0\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"), /* LLMNR, RFC 4795 */
	/* mDNS (RFC 6762, 5.5: a direct unicast query): _services._dns-sd._udp.local PTR. */
	P(5353, 0, "\0\0\0\0\0\1\0\0\0\0\0\0\11_services\7_dns-sd\4_udp\5local\0\0\14\0\1"),
	/* NTP (RFC 5905): client mode, version 4, our transmit time is the cookie. */
	P(123, 40,
	    "\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\0\0\0\0\0"
	    "\1"),
	/* SNMPv1 (RFC 1157): get sysDescr.0 of community "public". */
	P(161, 17,
	    "\x30\x29\2\1\0\4\6public\xa0\x1c\2\4\1\1\1\1\2\1\0\2\1\0\x30\x0e\x30\x0c\6\x08\x2b\6\1"
	    "\2\1\1\1\0"
	    "\5\0"),
	/* SSDP: who is a root device, answer within a second. */
	P(1900, -1,
	    "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: "
	    "1\r\nST: "
	    "upnp:rootdevice\r\n\r\n"),
	/* NetBIOS name service (RFC 1002): node status of "*". */
	P(137, 0,
	    "\0\0\0\0\0\1\0\0\0\0\0\0\x20"
	    "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "\0\0\x21\0\1"),
	/* Portmapper (RFC 1833): call of procedure NULL, version 2. */
	P(111, 2,
	    "\0\0\0\0\0\0\0\0\0\0\0\2\0\1\x86\xa0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	/* NFS (program 100003, version 3): NULL. */
	P(2049, 2,
	    "\0\0\0\0\0\0\0\0\0\0\0\2\0\1\x86\xa3\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	/* TFTP (RFC 1350): read a file that no server has; its error answers. */
	P(69, -1, "\0\1layer4-no-such-file\0octet\0"),
	/* IKE (RFC 7296): a header of an unknown major version is answered or ignored; version 2
	 * with an unknown payload gets INVALID_MAJOR_VERSION from most. */
	P(500, 0, "\1\1\1\1\1\1\1\1\0\0\0\0\0\0\0\0\0\x30\x22\x08\0\0\0\0\0\0\0\x1c"),
	/* memcached: its UDP frame (request id, sequence, total, reserved) and "version", whose
	 * answer is shorter than the question of any attack. */
	P(11211, 0, "\0\0\0\0\0\1\0\0version\r\n"),
	/* STUN (RFC 8489): binding request. */
	P(3478, 8, "\0\1\0\0\x21\x12\xa4\x42\0\0\0\0\0\0\0\0\0\0\0\0"),
	/* SIP (RFC 3261): OPTIONS. */
	P(5060, -1,
	    "OPTIONS sip:l4 SIP/2.0\r\nVia: SIP/2.0/UDP l4;branch=z9hG4bKl4;rport\r\nFrom: "
	    "<sip:l4@l4>;tag=l4\r\nTo: <sip:l4@l4>\r\nCall-ID: l4\r\nCSeq: 1 "
	    "OPTIONS\r\nMax-Forwards: "
	    "0\r\nContent-Length: 0\r\n\r\n"),
	/* CoAP (RFC 7252): an empty confirmable message, "ping"; answered by a reset. */
	P(5683, 2, "\x40\0\0\0"),
	/* CLDAP (RFC 4511): search of the root DSE for supportedLDAPVersion. */
	P(389, -1,
	    "\x30\x3a\2\1\1\x63\x35\4\0\x0a\1\0\x0a\1\0\2\1\0\2\1\0\1\1\0\x87\x0b"
	    "objectclass"
	    "\x30\x16\4\x14supportedLDAPVersion"),
	/* OpenVPN: hard reset of a client, version 2. */
	P(1194, 1, "\x38\1\1\1\1\1\1\1\1\0\0\0\0\0"),
	/* RMCP/ASF presence ping (IPMI). */
	P(623, -1, "\6\0\xff\6\0\0\x11\xbe\x80\0\0\0"),
	/* XDMCP: query without authentication. */
	P(177, -1, "\0\1\0\2\0\1\0"),
	/* SQL Server browser: list of instances of this one host. */
	P(1434, -1, "\2"),
	/* BACnet: who is the device object, unicast. */
	P(47808, -1, "\x81\x0a\0\x08\1\0\x10\x08"),
	/* Source engine: information. */
	P(27015, -1, "\xff\xff\xff\xffTSource Engine Query\0"),
	/* echo, daytime, quote of the day, chargen, time: any datagram is answered. */
	P(7, -1, "layer4"),
	P(13, -1, "\n"),
	P(17, -1, "\n"),
	P(37, -1, "\n"),
	/* L2TP (RFC 2661): a control message of no kind we mean to go on with (Hello). */
	P(1701, -1, "\xc8\2\0\x14\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\6"),
};

/* QUIC (RFC 9000 6): a long header of a version nobody speaks is answered with the versions that
 * are; at least 1200 bytes, or the server must not answer. */
static size_t quic(uint32_t cookie, uint8_t *out, size_t cap)
{
	if (cap < 1200)
		return 0;
	memset(out, 0, 1200);
	out[0] = 0xc0;
	scan_put32(out + 1, 0x1a2a3a4a);
	out[5] = 8;
	scan_put32(out + 6, cookie);
	return 1200;
}

size_t scan_udp_payload(uint16_t port, uint32_t cookie, uint8_t *out, size_t cap)
{
	if (port == 443)
		return quic(cookie, out, cap);
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		const struct payload *p = &payloads[i];
		if (p->port != port || p->len > cap)
			continue;
		memcpy(out, p->data, p->len);
		if (p->id_at >= 0) {
			/* Below 128, so that it stays a positive integer in SNMP's encoding. */
			out[p->id_at] = (uint8_t)(cookie >> 8 & 0x7f);
			out[p->id_at + 1] = (uint8_t)cookie;
		}
		return p->len;
	}
	return 0;
}
