package codec

import "github.com/klauspost/compress/zstd"

// Contradicts tells whether a frame announces another length of its plaintext
// than plainLength, or is no frame. A frame that announces none, as streaming
// encoders make them, contradicts nothing.
func Contradicts(frame []byte, plainLength int) bool {
	var h zstd.Header
	if h.Decode(frame) != nil {
		return true
	}
	return h.HasFCS && h.FrameContentSize != uint64(max(0, plainLength))
}
