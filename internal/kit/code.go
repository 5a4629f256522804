package kit

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// secret is something on the page that a QR code saves from being typed.
type secret struct{ what, text string }

func (k *Kit) secrets() []secret {
	var list []secret
	if k.Password != "" {
		list = append(list, secret{"the password", k.Password})
	}
	for _, i := range k.Identities {
		list = append(list, secret{"the key of the logs", i})
	}
	return list
}

// code is a QR code.
type code struct{ *qr.Code }

// quiet is the margin that readers need, in modules (ISO/IEC 18004, 9.1).
const quiet = 4

// encode makes a code that a crumpled page does not break: a quarter of it
// may be unreadable.
func encode(text string) (code, error) {
	c, err := qr.Encode(text, qr.Q)
	if err != nil {
		return code{}, fmt.Errorf("QR code: %w", err)
	}
	return code{c}, nil
}

// text draws the code in letters that are half a module high: black on white,
// as it is printed.
func (c code) text() string {
	var b strings.Builder
	for y := -quiet; y < c.Size+quiet; y += 2 {
		line := ""
		for x := -quiet; x < c.Size+quiet; x++ {
			switch upper, lower := c.Black(x, y), c.Black(x, y+1); {
			case upper && lower:
				line += "█"
			case upper:
				line += "▀"
			case lower:
				line += "▄"
			default:
				line += " "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// svg draws the code as one path, a rectangle for each run of modules.
func (c code) svg() string {
	var path strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			run := 0
			for c.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	side := c.Size + 2*quiet
	return fmt.Sprintf(`<svg viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img"><rect width="%d" height="%d" fill="#fff"/><path d="%s"/></svg>`,
		side, side, side, side, path.String())
}
