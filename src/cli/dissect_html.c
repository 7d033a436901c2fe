/* The page of a capture: one self-contained HTML file with the packets as data and a small script
 * that draws them: a ladder of the segments, a time-sequence graph, the header bits of the chosen
 * packet on the ruler that the RFCs use, and the stream's bytes.
 *
 * Everything from packets goes into JSON strings with '<' escaped, and the script puts it on the
 * page as text, never as markup. At most PACKETS_MAX packets and BYTES_MAX bytes of each are kept;
 * the page says when there were more. */
#include "cli/dissect_html.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"

enum { PACKETS_MAX = 5000, BYTES_MAX = 192 };

struct html {
	char *data; /* the packets, as elements of a JSON array */
	size_t n, cap;
	uint64_t packets;
	bool failed;
	l4_time first;
	char ends[2][64]; /* of the first connection seen */
};

struct html *html_new(struct l4_dissect *d)
{
	static const char *const names[] = { "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags",
		"tcp.analysis.flags" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)l4_dissect_want(d, names[i]);
	l4_dissect_want_columns(d);
	return calloc(1, sizeof(struct html));
}

static void add(struct html *h, const char *s, size_t n)
{
	if (h->n + n > h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 1 << 16;
		while (cap < h->n + n)
			cap *= 2;
		char *p = realloc(h->data, cap);
		if (!p) {
			h->failed = true;
			return;
		}
		h->data = p;
		h->cap = cap;
	}
	memcpy(h->data + h->n, s, n);
	h->n += n;
}

static void add_str(struct html *h, const char *s)
{
	add(h, s, strlen(s));
}

/* A JSON string that is also harmless within a script element. */
static void add_text(struct html *h, const char *s, size_t n)
{
	char t[8];
	add_str(h, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' ||
		    c == 0x7f) {
			snprintf(t, sizeof t, "\\u%04x", c);
			add(h, t, 6);
		} else {
			add(h, s + i, 1);
		}
	}
	add_str(h, "\"");
}

static void address(struct html *h, enum l4_addr_kind k, const uint8_t *p)
{
	struct l4_field f = { .name = "",
		.type = k == L4_AK_MAC   ? L4_FT_MAC
			: k == L4_AK_IP6 ? L4_FT_IP6
					 : L4_FT_IP4 };
	struct l4_item i = { .field = &f, .v.p = p };
	char t[64];
	add_text(h, t, p && k != L4_AK_NONE && k != L4_AK_TEXT ? l4_item_text(&i, t, sizeof t) : 0);
}

void html_packet(struct html *h, const struct l4_dissected *p)
{
	static const char hex[] = "0123456789abcdef";
	static const char *const names[] = { "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags",
		"tcp.analysis.flags" };
	char t[256];
	if (h->packets++ == 0)
		h->first = p->cap->ts;
	if (h->packets > PACKETS_MAX)
		return;
	long long v[5] = { -1, -1, -1, -1, 0 };
	for (uint32_t i = 0; i < p->n_items; i++)
		for (int k = 0; k < 5; k++)
			if (!strcmp(p->items[i].field->name, names[k]))
				v[k] = k == 4 ? 1 : (long long)p->items[i].v.u;
	snprintf(t, sizeof t,
	    "%s{\"n\":%llu,\"t\":%.9f,\"len\":%u,\"st\":%lld,\"q\":[%lld,%lld,%lld,%lld,%lld],"
	    "\"s\":",
	    h->n ? ",\n" : "", (unsigned long long)p->cap->number,
	    (double)(int64_t)(p->cap->ts - h->first) / 1e9, p->cap->len, (long long)p->stream, v[0],
	    v[1], v[2], v[3], v[4]);
	add_str(h, t);
	address(h, p->src_kind, p->src);
	add_str(h, ",\"d\":");
	address(h, p->dst_kind, p->dst);
	add_str(h, ",\"p\":");
	add_text(h, p->protocol, strlen(p->protocol));
	add_str(h, ",\"i\":");
	add_text(h, p->info, p->info_len);
	add_str(h, ",\"y\":[");
	bool first = true;
	for (uint32_t k = 1; k < p->n_layers; k++) {
		const struct l4_layer *l = &p->layers[k];
		if (!l->header_len || l->source || l->data < p->cap->data)
			continue;
		snprintf(t, sizeof t, "%s[\"%s\",%u,%u]", first ? "" : ",", l->proto->name,
		    (unsigned)(l->data - p->cap->data), l->header_len);
		add_str(h, t);
		first = false;
	}
	add_str(h, "],\"b\":\"");
	for (uint32_t k = 0; k < p->cap->caplen && k < BYTES_MAX; k++) {
		t[0] = hex[p->cap->data[k] >> 4];
		t[1] = hex[p->cap->data[k] & 15];
		add(h, t, 2);
	}
	add_str(h, "\"}");
}

/* The rows of the tables with a fixed place: name, bit, width. */
static void tables(struct html *h)
{
	char t[256];
	add_str(h, "{");
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		if (!p->header_bits)
			continue;
		snprintf(
		    t, sizeof t, "%s\"%s\":[", i && h->data[h->n - 1] != '{' ? "," : "", p->name);
		add_str(h, t);
		bool first = true;
		for (size_t k = 1; k < p->n_fields; k++) {
			const struct l4_field *f = &p->fields[k];
			if (!f->bits || f->depth || f->flags & L4_FF_HIDDEN)
				continue;
			snprintf(t, sizeof t, "%s[\"%s\",%u,%u]", first ? "" : ",", f->name, f->bit,
			    f->bits);
			add_str(h, t);
			first = false;
		}
		add_str(h, "]");
	}
	add_str(h, "}");
}

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>l4 dissect</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1b;--dim:#666;--a:#0b62b8;--b:#a04000;"
    "--bad:#b00020;--line:#ccc;--sel:#e4eefb}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e6e6;--dim:#9aa;--a:#6cb2ff;"
    "--b:#ffb070;--bad:#ff7080;--line:#444;--sel:#24344a}}\n"
    "body{font:14px system-ui,sans-serif;background:var(--bg);color:var(--fg);margin:1rem}\n"
    "h2{font-size:1rem;margin:1rem 0 .3rem}pre,td,th{font:12px ui-monospace,monospace}\n"
    "#list{max-height:40vh;overflow:auto;border:1px solid var(--line)}\n"
    "#list div{white-space:pre;padding:0 .4rem;font:12px ui-monospace,monospace;cursor:pointer}\n"
    "#list div[aria-selected=true]{background:var(--sel)}\n"
    "svg{background:var(--bg);border:1px solid var(--line);max-width:100%}\n"
    "text{fill:var(--fg);font:11px ui-monospace,monospace}\n"
    "table{border-collapse:collapse}td{border:1px solid "
    "var(--line);text-align:center;padding:.2rem}\n"
    "select,button{font:inherit}\n</style></head><body>\n"
    "<h1 style=\"font-size:1.2rem\">l4 dissect</h1>\n"
    "<p><label>Connection <select id=\"st\"></select></label> <span id=\"note\"></span> "
    "(arrow keys or j and k move in the list)</p>\n"
    "<div id=\"list\" role=\"listbox\" tabindex=\"0\" aria-label=\"Packets\"></div>\n"
    "<h2>Header</h2><div id=\"bits\"></div>\n<h2>Ladder</h2><div id=\"ladder\"></div>\n"
    "<h2>Time and sequence</h2><div id=\"seq\"></div>\n<h2>Bytes</h2><pre id=\"hex\"></pre>\n"
    "<script>\nconst P=[";

static const char *const script[] = {
	";\nlet cur=[],at=0;const "
	"$=i=>document.getElementById(i),NS='http://www.w3.org/2000/svg';\n",
	"function E(n,a,t){const e=document.createElementNS(NS,n);for(const k in "
	"a)e.setAttribute(k,a[k]);",
	"if(t!==undefined)e.textContent=t;return e}\n",
	"const ids=[...new Set(P.filter(p=>p.q[0]>=0&&p.st>=0).map(p=>p.st))];\n",
	"function opt(v,t){const o=document.createElement('option');o.value=v;o.textContent=t;",
	"$('st').append(o)}\nopt('','all packets');ids.slice(0,500).forEach(i=>opt(i,'TCP stream "
	"'+i));\n",
	"if(TOTAL>P.length)$('note').textContent='the first '+P.length+' of '+TOTAL+' packets';\n",
	"function choose(){const "
	"v=$('st').value;cur=P.filter(p=>v===''||(p.q[0]>=0&&p.st==v));at=0;",
	"list();ladder();seq();show()}\n",
	"function list(){const l=$('list');l.textContent='';cur.forEach((p,k)=>{const d=",
	"document.createElement('div');d.setAttribute('role','option');d.textContent=",
	"String(p.n).padStart(6)+' '+p.t.toFixed(6).padStart(12)+'  '+p.s+' \\u2192 '+p.d+'  "
	"'+p.p+' '",
	"+p.len+' "
	"'+p.i;if(p.q[4])d.style.color='var(--bad)';d.onclick=()=>{at=k;show()};l.append(d)})}\n",
	"function show(){const l=$('list').children;for(let k=0;k<l.length;k++)l[k].setAttribute(",
	"'aria-selected',k==at);const "
	"p=cur[at];if(!p)return;l[at].scrollIntoView({block:'nearest'});",
	"header(p);const b=p.b.match(/../g)||[];let h='';for(let i=0;i<b.length;i+=16){const r=",
	"b.slice(i,i+16);h+=i.toString(16).padStart(4,'0')+'  '+r.join(' "
	"').padEnd(49)+r.map(x=>{const c=",
	"parseInt(x,16);return c>31&&c<127?String.fromCharCode(c):'.'}).join('')+'\\n'}",
	"$('hex').textContent=h}\n",
	"function header(p){const o=$('bits');o.textContent='';for(const[n,off,len]of p.y){const "
	"f=T[n];",
	"if(!f||!f.length)continue;const t=document.createElement('table'),c=t.createCaption();",
	"c.textContent=n+', '+len+' bytes';c.style.textAlign='left';const r=t.insertRow();",
	"for(let i=0;i<32;i++){const "
	"d=r.insertCell();d.textContent=i%10;d.style.color='var(--dim)'}\n",
	"let row=null,end=0;for(const[name,bit,bits]of f){if(bit<end)continue;let left=bits,b=bit;",
	"let v=0n;for(let i=0;i<bits&&bits<=128;i++){const "
	"k=bit+i,x=parseInt(p.b.substr((off+(k>>3))*2,2)",
	"||'0',16);v=v<<1n|BigInt(x>>(7-k%8)&1)}\nif(b%32&&b>end){const "
	"g=(row||(row=t.insertRow()))",
	".insertCell();g.colSpan=b-Math.max(end,b-b%32)}\nwhile(left>0){if(b%32==0||!row)row=t."
	"insertRow();",
	"const w=Math.min(left,32-b%32),d=row.insertCell();d.colSpan=w;d.textContent=left==bits?",
	"name.split('.').pop()+' '+(bits>32?'0x'+v.toString(16):v):'';d.title=name+' = "
	"'+v;left-=w;b+=w}",
	"end=bit+bits}o.append(t)}}\n",
	"function ladder(){const o=$('ladder');o.textContent='';const "
	"q=cur.filter(p=>p.q[0]>=0).slice(0,400);",
	"if(!q.length)return;const "
	"H=18*q.length+50,s=E('svg',{width:820,height:H,role:'img','aria-label':",
	"'ladder of segments'}),A=q[0].s+q[0].i.split(' ')[0];const "
	"L=150,R=650;s.append(E('line',{x1:L,y1:25,",
	"x2:L,y2:H,stroke:'var(--line)'}),E('line',{x1:R,y1:25,x2:R,y2:H,stroke:'var(--line)'}),",
	"E('text',{x:L,y:15,'text-anchor':'middle'},q[0].s),E('text',{x:R,y:15,'text-anchor':'"
	"middle'},q[0].d));",
	"const port=(q[0].i.match(/(\\d+) \\u2192/)||[])[1];q.forEach((p,k)=>{const "
	"m=p.i.match(/(\\d+) \\u2192/);",
	"const "
	"f=p.s==q[0].s&&(p.s!=p.d||!m||m[1]==port),y=35+18*k,c=p.q[4]?'var(--bad)':f?'var(--a)':",
	"'var(--b)',x1=f?L:R,x2=f?R:L,e=f?-7:7;s.append(E('line',{x1,y1:y,x2,y2:y+12,stroke:c}),",
	"E('path',{d:`M${x2} ${y+12}l${e} -5v8z`,fill:c}),E('text',{x:5,y:y+4},p.t.toFixed(6)));",
	"const fl=['FIN','SYN','RST','PSH','ACK','URG'].filter((_,i)=>p.q[3]>>i&1).join(' ');",
	"s.append(E('text',{x:400,y:y+3,'text-anchor':'middle'},fl+' seq '+p.q[0]+' ack '+p.q[1]+' "
	"len '+",
	"p.q[2]))});o.append(s)}\n",
	"function seq(){const o=$('seq');o.textContent='';const "
	"q=cur.filter(p=>p.q[0]>=0&&p.q[2]>0);",
	"if(!q.length||$('st').value==='')return;const "
	"t1=Math.max(...q.map(p=>p.t)),t0=Math.min(...q.map(",
	"p=>p.t)),m=Math.max(...q.map(p=>p.q[0]+p.q[2])),W=800,H=260,s=E('svg',{width:W,height:H,"
	"role:'img',",
	"'aria-label':'sequence numbers over "
	"time'}),X=t=>60+(W-80)*(t-t0)/((t1-t0)||1),Y=v=>H-30-(H-50)*v/m;",
	"s.append(E('text',{x:60,y:H-8},t0.toFixed(3)+' "
	"s'),E('text',{x:W-10,y:H-8,'text-anchor':'end'},",
	"t1.toFixed(3)+' s'),E('text',{x:4,y:20},m));q.forEach(p=>{const "
	"c=p.q[4]?'var(--bad)':p.s==cur[0].s?",
	"'var(--a)':'var(--b)';s.append(E('line',{x1:X(p.t),x2:X(p.t),y1:Y(p.q[0]),y2:Math.min(Y(p."
	"q[0]+",
	"p.q[2]),Y(p.q[0])-2),stroke:c,'stroke-width':3}))});o.append(s)}\n",
	"document.addEventListener('keydown',e=>{const "
	"s={ArrowDown:1,j:1,ArrowUp:-1,k:-1}[e.key];if(!s||",
	"e.target.tagName=='SELECT')return;e.preventDefault();at=Math.max(0,Math.min(cur.length-1,"
	"at+s));",
	"show()});$('st').onchange=choose;choose();\n</script></body></html>\n",
};

int html_write(struct html *h, const char *path)
{
	static struct out o;
	o.fd = !strcmp(path, "-") ? STDOUT_FILENO
				  : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = -1;
	if (o.fd >= 0) {
		out_str(&o, head);
		out_bytes(&o, h->data, h->n);
		out_fmt(&o, "];\nconst TOTAL=%llu,T=", (unsigned long long)h->packets);
		h->n = 0;
		tables(h);
		out_bytes(&o, h->data, h->n);
		for (size_t i = 0; i < sizeof script / sizeof script[0]; i++)
			out_str(&o, script[i]);
		out_flush(&o);
		r = o.failed || h->failed ? -1 : 0;
		if (o.fd != STDOUT_FILENO && close(o.fd))
			r = -1;
	}
	free(h->data);
	free(h);
	return r;
}
