package kit

import (
	"fmt"
	"html"
	"strings"
)

// HTML returns the page for a browser to print: it needs nothing but itself.
func (k *Kit) HTML() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, pageStart, title, style, title, html.EscapeString(intro))
	for _, f := range k.facts() {
		fmt.Fprintf(&b, "<tr><th>%s</th><td>", f.heading)
		for n, line := range f.lines {
			if n > 0 {
				b.WriteString("<br>")
			}
			b.WriteString(html.EscapeString(line))
		}
		b.WriteString("</td></tr>\n")
	}
	b.WriteString("</table>\n")
	if err := k.codes(&b); err != nil {
		return "", err
	}
	b.WriteString("</div>\n")
	for _, s := range k.sections() {
		fmt.Fprintf(&b, "<h2>%s</h2>\n", html.EscapeString(strings.ToUpper(s.title[:1])+s.title[1:]))
		if len(s.commands) > 0 {
			fmt.Fprintf(&b, "<pre>%s</pre>\n", html.EscapeString(strings.Join(s.commands, "\n")))
		}
		text, secret, _ := strings.Cut(s.text, "\n\n")
		if text != "" {
			fmt.Fprintf(&b, "<p>%s</p>\n", strings.ReplaceAll(html.EscapeString(text), "\n", "<br>"))
		}
		if secret != "" {
			fmt.Fprintf(&b, "<pre>%s</pre>\n", html.EscapeString(secret))
		}
	}
	b.WriteString("</main></body></html>\n")
	return b.String(), nil
}

// codes adds the QR codes of the secrets, if there are any.
func (k *Kit) codes(b *strings.Builder) error {
	secrets := k.secrets()
	if len(secrets) == 0 {
		return nil
	}
	b.WriteString(`<div class="codes">`)
	for _, s := range secrets {
		c, err := encode(s.text)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "<figure>%s<figcaption>%s</figcaption></figure>", c.svg(), s.what)
	}
	b.WriteString("</div>\n")
	return nil
}

const pageStart = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>%s</style></head>
<body><main>
<h1>%s</h1>
<p>%s</p>
<div class="top"><table>
`

// style is for a sheet of A4 or Letter, and for screens on the way there.
const style = `
@page { size: auto; margin: 12mm }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: #000; font: 9.5pt/1.3 system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
main { max-width: 182mm; margin: 0 auto; padding: 4mm }
h1 { font-size: 16pt; letter-spacing: .06em; margin: 0 0 2mm; padding-bottom: 2mm; border-bottom: 1.2mm solid #000 }
h2 { font-size: 10pt; margin: 3.2mm 0 1mm; break-after: avoid }
p { margin: 1mm 0 }
table { border-collapse: collapse; width: 100%; margin: 2mm 0 }
th, td { text-align: left; vertical-align: top; padding: .7mm 2mm .7mm 0; border-bottom: .2mm solid #bbb }
th { width: 28mm; font-weight: 600 }
td, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 8.5pt; overflow-wrap: anywhere }
pre { margin: 1mm 0; padding: 1.2mm 2mm; border: .25mm solid #888; white-space: pre-wrap; break-inside: avoid }
.top { display: flex; gap: 5mm; align-items: flex-start }
.codes { break-inside: avoid }
figure { margin: 0; width: 30mm }
svg { width: 30mm; height: 30mm; display: block }
figcaption { text-align: center; font-size: 8.5pt }
@media print { body { font-size: 8.8pt } td, pre { font-size: 8pt } main { max-width: none; padding: 0 } }
`
