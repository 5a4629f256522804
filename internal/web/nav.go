package web

// area is an entry of the navigation.
type area struct{ Path, Name string }

// nav are the areas, as the layout shows them.
func nav() []area {
	return []area{
		{"/", "Am I safe?"},
		{"/runs", "Runs"},
		{"/snapshots", "Snapshots"},
		{"/repositories", "Repositories"},
		{"/tests", "Restore tests"},
		{"/events", "Events"},
		{"/settings", "Settings"},
	}
}
