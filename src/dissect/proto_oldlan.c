/* LANs that were: FDDI, Token Ring, ARCNET. */
#include "dissect/link.h"

enum { FDDI, F_FC, F_DST, F_SRC, F_ADDR1, F_ADDR2 };

static const struct l4_field fddi_fields[] = {
	[FDDI] = ROW0("fddi", "Fiber Distributed Data Interface", 104),
	[F_FC] = ROW("fddi.fc", "Frame Control", U8, HEX, AT(0, 8)),
	[F_DST] = ROW("fddi.dst", "Destination", MAC, NONE, AT(8, 48)),
	[F_SRC] = ROW("fddi.src", "Source", MAC, NONE, AT(56, 48)),
	[F_ADDR1] = ROW("fddi.addr", "Address", MAC, NONE, AT(8, 48), HID),
	[F_ADDR2] = ROW("fddi.addr", "Address", MAC, NONE, AT(56, 48), HID),
};

static void dissect_fddi(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 13);
	col_proto(d, "FDDI");
	dis_fixed(d, v, F_FC, F_ADDR2);
	if (!dis_has(d, v, 13))
		return;
	dis_net(d, L4_AK_MAC, v.p + 7, v.p + 1);
	struct l4_view next = view_skip(v, 13);
	/* 01LL0rrr and 01LL1rrr are LLC frames */
	if ((v.p[0] & 0xe0) == 0x40)
		dis_call(d, PROTO_llc, next);
	else
		dis_data(d, next);
}

static const struct l4_binding fddi_bindings[] = { { "linktype", L4_LINK_FDDI }, { NULL, 0 } };

const struct l4_dissector l4_dis_fddi = {
	.proto = PROTO_INIT(
	    "fddi", "Fiber Distributed Data Interface", "FDDI", fddi_fields, 104, fddi_bindings),
	.run = dissect_fddi,
};

enum { TR, T_AC, T_FC, T_DST, T_SRC, T_ADDR1, T_ADDR2 };

static const struct l4_field tr_fields[] = {
	[TR] = ROW0("tr", "Token-Ring", 112),
	[T_AC] = ROW("tr.ac", "Access Control", U8, HEX, AT(0, 8)),
	[T_FC] = ROW("tr.fc", "Frame Control", U8, HEX, AT(8, 8)),
	[T_DST] = ROW("tr.dst", "Destination", MAC, NONE, AT(16, 48)),
	[T_SRC] = ROW("tr.src", "Source", MAC, NONE, WALK),
	[T_ADDR1] = ROW("tr.addr", "Address", MAC, NONE, AT(16, 48), HID),
	[T_ADDR2] = ROW("tr.addr", "Address", MAC, NONE, HID),
};

static void dissect_tr(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 14);
	col_proto(d, "TR");
	if (!dis_has(d, v, 14)) {
		dis_fixed(d, v, T_AC, T_DST);
		return;
	}
	dis_fixed(d, v, T_AC, T_DST);
	/* The first bit of the source says that routing information follows. */
	bool routed = v.p[8] & 0x80;
	uint8_t *src = dis_alloc(d, 6);
	if (!src)
		return;
	memcpy(src, v.p + 8, 6);
	src[0] &= 0x7f;
	dis_s(d, T_SRC, v.p + 8, 6, src, 6);
	dis_s(d, T_ADDR2, v.p + 8, 6, src, 6);
	dis_net(d, L4_AK_MAC, src, v.p + 2);
	uint32_t at = 14;
	if (routed && dis_has(d, v, 16))
		at += v.p[14] & 31u;
	struct l4_view next = view_skip(v, at);
	if ((v.p[1] & 0xc0) == 0x40)
		dis_call(d, PROTO_llc, next);
	else
		dis_data(d, next);
}

static const struct l4_binding tr_bindings[] = { { "linktype", L4_LINK_TOKEN_RING }, { NULL, 0 } };

const struct l4_dissector l4_dis_tr = {
	.proto = PROTO_INIT("tr", "Token-Ring", "TR", tr_fields, 112, tr_bindings),
	.run = dissect_tr,
};

enum { ARCNET, A_SRC, A_DST, A_PROT, A_SPLIT, A_SEQ };

static const struct l4_field arcnet_fields[] = {
	[ARCNET] = ROW0("arcnet", "ARCNET", 24),
	[A_SRC] = ROW("arcnet.src", "Source", U8, HEX, AT(0, 8)),
	[A_DST] = ROW("arcnet.dst", "Dest", U8, HEX, AT(8, 8)),
	[A_PROT] = ROW("arcnet.protID", "Protocol ID", U8, HEX, WALK),
	[A_SPLIT] = ROW("arcnet.split_flag", "Split Flag", U8, DEC, WALK),
	[A_SEQ] = ROW("arcnet.sequence", "Sequence Number", U16, DEC, WALK),
};

static void dissect_arcnet(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 3);
	col_proto(d, "ARCNET");
	dis_fixed(d, v, A_SRC, A_DST);
	if (!dis_has(d, v, 3))
		return;
	const uint8_t *h = v.p;
	/* The Linux form has two bytes of offset between the addresses and the protocol. */
	uint32_t at = d->out.cap->linktype == L4_LINK_ARCNET_LINUX ? 4 : 2;
	if (!dis_has(d, v, at + 1))
		return;
	uint8_t prot = h[at];
	dis_u(d, A_PROT, h + at, 1, prot);
	at++;
	/* RFC 1051 protocols 240 and 241 have no more header; RFC 1201 has fragmentation. */
	if (prot != 240 && prot != 241) {
		if (!dis_has(d, v, at + 3))
			return;
		dis_u(d, A_SPLIT, h + at, 1, h[at]);
		if (h[at] == 0xff) {
			at += 4; /* an exception packet repeats the header */
			if (!dis_has(d, v, at + 3))
				return;
		}
		dis_u(d, A_SEQ, h + at + 1, 2, l4_get_u16(h + at + 1));
		at += 3;
	}
	struct l4_view next = view_skip(v, at);
	if (prot == 212 || prot == 240)
		dis_call(d, PROTO_ip, next);
	else if (prot == 213 || prot == 241 || prot == 214)
		dis_call(d, PROTO_arp, next);
	else if (prot == 196)
		dis_call(d, PROTO_ipv6, next);
	else
		dis_data(d, next);
}

static const struct l4_binding arcnet_bindings[] = { { "linktype", L4_LINK_ARCNET },
	{ "linktype", L4_LINK_ARCNET_LINUX }, { NULL, 0 } };

const struct l4_dissector l4_dis_arcnet = {
	.proto = PROTO_INIT("arcnet", "ARCNET", "ARCNET", arcnet_fields, 24, arcnet_bindings),
	.run = dissect_arcnet,
};
