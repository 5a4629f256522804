package tree

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"holdfast/repository/id"
)

// AppendNode appends the JSON of n to dst: the bytes that restic's own
// struct gives with encoding/json, down to the escapes. It writes what it is
// given; Builder.Add is what refuses a bad node. A generic attribute that is
// not valid JSON is written as null.
//
// It allocates only to grow dst and for generic attributes.
func AppendNode(dst []byte, n *Node) []byte {
	dst = append(dst, `{"name":"`...)
	dst = appendName(dst, n.Name)
	dst = append(dst, `","type":`...)
	dst = appendString(dst, string(n.Type))
	dst = appendUint(dst, `,"mode":`, uint64(n.Mode))
	dst = appendTimes(dst, n)
	dst = append(dst, `,"uid":`...)
	dst = strconv.AppendUint(dst, uint64(n.UID), 10)
	dst = append(dst, `,"gid":`...)
	dst = strconv.AppendUint(dst, uint64(n.GID), 10)
	dst = appendText(dst, `,"user":`, n.User)
	dst = appendText(dst, `,"group":`, n.Group)
	dst = appendUint(dst, `,"inode":`, n.Inode)
	dst = appendUint(dst, `,"device_id":`, n.DeviceID)
	dst = appendUint(dst, `,"size":`, n.Size)
	dst = appendUint(dst, `,"links":`, n.Links)
	dst = appendLinkTarget(dst, n.LinkTarget)
	dst = appendExtendedAttributes(dst, n.ExtendedAttributes)
	dst = appendGenericAttributes(dst, n.GenericAttributes)
	dst = appendUint(dst, `,"device":`, n.Device)
	dst = appendContent(dst, n.Content)
	if n.Subtree != nil {
		dst = append(dst, `,"subtree":`...)
		dst = appendID(dst, n.Subtree)
	}
	dst = appendText(dst, `,"error":`, n.Error)
	return append(dst, '}')
}

// appendTimes writes the three times, of which the second is nearly always
// the first again: access times are not recorded unless asked for.
func appendTimes(dst []byte, n *Node) []byte {
	dst = append(dst, `,"mtime":`...)
	start := len(dst)
	dst = appendTime(dst, n.ModTime)
	end := len(dst)
	dst = append(dst, `,"atime":`...)
	if n.AccessTime == n.ModTime {
		dst = append(dst, dst[start:end]...)
	} else {
		dst = appendTime(dst, n.AccessTime)
	}
	dst = append(dst, `,"ctime":`...)
	return appendTime(dst, n.ChangeTime)
}

// appendLinkTarget writes a target that is not UTF-8 twice: readable, and
// its bytes in base64 (restic 0.15.2 and later).
func appendLinkTarget(dst []byte, target string) []byte {
	if target == "" {
		return dst
	}
	dst = appendText(dst, `,"linktarget":`, target)
	if utf8.ValidString(target) {
		return dst
	}
	dst = append(dst, `,"linktarget_raw":`...)
	return appendBase64(dst, []byte(target))
}

func appendExtendedAttributes(dst []byte, attributes []ExtendedAttribute) []byte {
	if len(attributes) == 0 {
		return dst
	}
	dst = append(dst, `,"extended_attributes":[`...)
	for i := range attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendString(dst, attributes[i].Name)
		dst = append(dst, `,"value":`...)
		dst = appendBase64(dst, attributes[i].Value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendGenericAttributes(dst []byte, attributes map[string]json.RawMessage) []byte {
	if len(attributes) == 0 {
		return dst
	}
	dst = append(dst, `,"generic_attributes":{`...)
	for i, name := range slices.Sorted(maps.Keys(attributes)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendJSON(dst, attributes[name])
	}
	return append(dst, '}')
}

// appendJSON writes a value as encoding/json embeds it: compact, with the
// characters that mean something in HTML escaped.
func appendJSON(dst []byte, value json.RawMessage) []byte {
	var compact, escaped bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return append(dst, "null"...)
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return append(dst, escaped.Bytes()...)
}

func appendContent(dst []byte, content []id.ID) []byte {
	if content == nil {
		return append(dst, `,"content":null`...)
	}
	dst = append(dst, `,"content":[`...)
	for i := range content {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendID(dst, &content[i])
	}
	return append(dst, ']')
}

func appendID(dst []byte, i *id.ID) []byte {
	dst = append(dst, '"')
	dst = hex.AppendEncode(dst, i[:])
	return append(dst, '"')
}

// appendUint writes the field unless it is 0.
func appendUint(dst []byte, key string, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, key...), v, 10)
}

// appendText writes the field unless it is empty.
func appendText(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, key...), s)
}

func appendBase64(dst, value []byte) []byte {
	if value == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, '"')
}
