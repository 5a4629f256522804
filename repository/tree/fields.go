package tree

import "strings"

// field is a member of a node's JSON object.
type field uint8

const (
	fieldUnknown field = iota
	fieldName
	fieldType
	fieldMode
	fieldModTime
	fieldAccessTime
	fieldChangeTime
	fieldUID
	fieldGID
	fieldUser
	fieldGroup
	fieldInode
	fieldDeviceID
	fieldSize
	fieldLinks
	fieldLinkTarget
	fieldLinkTargetRaw
	fieldExtendedAttributes
	fieldGenericAttributes
	fieldDevice
	fieldContent
	fieldSubtree
	fieldError
	fieldCount
)

// fieldSet is a set of fields, one bit each.
type fieldSet uint32

func setOf(fields ...field) (s fieldSet) {
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool { return s>>f&1 != 0 }

const allFields = ^fieldSet(0)

// fieldNamed returns the field of the given name.
func fieldNamed(name []byte) field {
	switch string(name) {
	case "name":
		return fieldName
	case "type":
		return fieldType
	case "mode":
		return fieldMode
	case "mtime":
		return fieldModTime
	case "atime":
		return fieldAccessTime
	case "ctime":
		return fieldChangeTime
	case "uid":
		return fieldUID
	case "gid":
		return fieldGID
	case "user":
		return fieldUser
	case "group":
		return fieldGroup
	case "inode":
		return fieldInode
	case "device_id":
		return fieldDeviceID
	case "size":
		return fieldSize
	case "links":
		return fieldLinks
	case "linktarget":
		return fieldLinkTarget
	case "linktarget_raw":
		return fieldLinkTargetRaw
	case "extended_attributes":
		return fieldExtendedAttributes
	case "generic_attributes":
		return fieldGenericAttributes
	case "device":
		return fieldDevice
	case "content":
		return fieldContent
	case "subtree":
		return fieldSubtree
	case "error":
		return fieldError
	}
	return fieldFolded(string(name))
}

// fieldFolded finds a field whatever the case of its letters, as
// encoding/json and so restic do: two programs must not read two different
// nodes from the same bytes.
func fieldFolded(name string) field {
	for f := fieldUnknown + 1; f < fieldCount; f++ {
		if strings.EqualFold(name, f.name()) {
			return f
		}
	}
	return fieldUnknown
}

// fieldKeys holds what introduces each field in a tree without white space.
var fieldKeys = [fieldCount]string{
	fieldName: `"name":`, fieldType: `"type":`, fieldMode: `"mode":`,
	fieldModTime: `"mtime":`, fieldAccessTime: `"atime":`, fieldChangeTime: `"ctime":`,
	fieldUID: `"uid":`, fieldGID: `"gid":`, fieldUser: `"user":`, fieldGroup: `"group":`,
	fieldInode: `"inode":`, fieldDeviceID: `"device_id":`, fieldSize: `"size":`, fieldLinks: `"links":`,
	fieldLinkTarget: `"linktarget":`, fieldLinkTargetRaw: `"linktarget_raw":`,
	fieldExtendedAttributes: `"extended_attributes":`, fieldGenericAttributes: `"generic_attributes":`,
	fieldDevice: `"device":`, fieldContent: `"content":`, fieldSubtree: `"subtree":`, fieldError: `"error":`,
}

func (f field) name() string { return fieldKeys[f][1 : len(fieldKeys[f])-len(`":`)] }
