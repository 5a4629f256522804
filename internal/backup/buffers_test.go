package backup

import "testing"

// TestBuffersAreBounded has more buffers given back than are kept: those of
// usual chunks are there again, the large ones are not.
func TestBuffersAreBounded(t *testing.T) {
	const readers = 2
	b := newBuffers(readers)
	var given [][]byte
	for class := minBufferClass; class <= maxBufferClass; class++ {
		for range 40 * readers {
			given = append(given, b.Get(1<<class))
		}
	}
	for _, buf := range given {
		b.Put(buf)
	}
	usual, large := 0, 0
	for class, free := range b.free {
		for _, buf := range free {
			if class <= usualBufferClass {
				usual += cap(buf)
			} else {
				large += cap(buf)
			}
		}
	}
	if usual < readers*2<<usualBufferClass || usual > readers*6<<usualBufferClass {
		t.Errorf("%d MiB of usual buffers are kept", usual>>20)
	}
	if large != 2<<usualBufferClass {
		t.Errorf("%d MiB of large buffers are kept", large>>20)
	}
	b.drop()
	b.Put(given[0])
	b.Put(make([]byte, 2<<usualBufferClass))
	for class, free := range b.free {
		if len(free) > 0 {
			t.Errorf("after drop, %d of class %d are kept", len(free), class)
		}
	}
}
