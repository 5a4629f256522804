package cli

import "testing"

func TestAttributesThatAreRestored(t *testing.T) {
	names := []string{"user.mime_type", "user.note", "security.selinux", "system.posix_acl_access"}
	for _, c := range []struct {
		flags attributeFlags
		want  [4]bool
	}{
		{attributeFlags{include: []string{"user.*"}}, [4]bool{true, true, false, false}},
		{attributeFlags{include: []string{"user.note", "system.*"}}, [4]bool{false, true, false, true}},
		{attributeFlags{exclude: []string{"security.*"}}, [4]bool{true, true, false, true}},
		{attributeFlags{exclude: []string{"user.*", "s*"}}, [4]bool{}},
	} {
		filter, err := c.flags.filter()
		if err != nil {
			t.Fatal(err)
		}
		for n, name := range names {
			if filter(name) != c.want[n] {
				t.Errorf("%+v: %s is restored: %v", c.flags, name, !c.want[n])
			}
		}
	}
	if filter, err := (&attributeFlags{}).filter(); filter != nil || err != nil {
		t.Errorf("without flags some attributes are chosen: %v", err)
	}
	for _, wrong := range []attributeFlags{{include: []string{"a"}, exclude: []string{"b"}}, {include: []string{"[a"}}, {exclude: []string{"user/x"}}} {
		if _, err := wrong.filter(); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}
