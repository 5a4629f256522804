package restore

import "bytes"

// sparseBlock is the least run of zeros that becomes a hole: the block size
// of most file systems, which cannot make smaller ones.
const sparseBlock = 4 << 10

var zeros [sparseBlock]byte

// writeSparse writes content to a file that holds nothing there yet and is
// long enough, but for aligned blocks of zeros.
func writeSparse(h fileHandle, content []byte, offset int64) error {
	for len(content) > 0 {
		data := leading(content, offset, false)
		if data > 0 {
			if err := h.writeAt(content[:data], offset); err != nil {
				return err
			}
		}
		content, offset = content[data:], offset+int64(data)
		hole := leading(content, offset, true)
		content, offset = content[hole:], offset+int64(hole)
	}
	return nil
}

// leading returns the length of what content begins with: blocks of zeros, or
// blocks that are not.
func leading(content []byte, offset int64, hole bool) int {
	n := 0
	for n < len(content) {
		block := min(sparseBlock-int((offset+int64(n))%sparseBlock), len(content)-n)
		if bytes.Equal(content[n:n+block], zeros[:block]) != hole {
			break
		}
		n += block
	}
	return n
}

// isZero tells whether content is nothing but zeros.
func isZero(content []byte) bool { return leading(content, 0, true) == len(content) }
