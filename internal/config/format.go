package config

import (
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"holdfast/internal/schedule"
)

// The values of the struct tag "format": what a text must be.
const (
	formatCron         = "cron"
	formatCronOrOff    = "cron-or-off"
	formatZone         = "timezone"
	formatPath         = "path"
	formatAddressOrOff = "address-or-off"
	formatAddress      = "address"
)

// Off is the schedule of a job that never runs.
const Off = "off"

// format checks a text that has a form of its own.
func (d *decoder) format(n *node, written string, tag reflect.StructTag) {
	if n.text == "" {
		return
	}
	if text, fix := wrongFormat(tag.Get("format"), n.text); text != "" {
		d.report(n.at, written, text, fix)
	}
}

func wrongFormat(format, text string) (wrong, fix string) {
	switch format {
	case formatCronOrOff:
		if text == Off {
			return "", ""
		}
		return wrongCron(text)
	case formatCron:
		return wrongCron(text)
	case formatZone:
		return wrongZone(text)
	case formatPath:
		return wrongPath(text)
	case formatAddressOrOff:
		if text == Off {
			return "", ""
		}
		return wrongFormat(formatAddress, text)
	case formatAddress:
		if _, port, err := net.SplitHostPort(text); err != nil || port == "" {
			return "not an address", "write it like 127.0.0.1:9898"
		}
	}
	return "", ""
}

func wrongCron(text string) (wrong, fix string) {
	if _, err := schedule.Parse(text, time.UTC); err != nil {
		return err.Error(), ""
	}
	return "", ""
}

func wrongZone(text string) (wrong, fix string) {
	if text == "Local" {
		return "the zone of this machine may change", "name one, such as Europe/Zurich, or remove the key"
	}
	if _, err := time.LoadLocation(text); err != nil {
		return quote(text) + " is no time zone known here", "write it as Europe/Zurich or UTC; if it is right, install the system's tzdata"
	}
	return "", ""
}

func wrongPath(path string) (wrong, fix string) {
	switch {
	case filepath.IsAbs(path):
		return "", ""
	case strings.HasPrefix(path, "~"):
		return "~ is not expanded: plans run for whoever runs holdfast", "write the whole path, from / on"
	default:
		return "not an absolute path", "write the whole path, from / on"
	}
}
