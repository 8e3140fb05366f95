package local

// What only Linux has.
var (
	LookAt      = lookAt
	WithoutIPv6 = withoutIPv6
)
