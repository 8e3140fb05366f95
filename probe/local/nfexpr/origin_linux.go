package nfexpr

// Origin is where the bytes in registers come from.
type Origin uint8

const (
	FromElsewhere Origin = iota
	FromNetworkHeader
	FromTransportHeader
	FromL4Proto
	FromNFProto
	FromEtherType
	FromIIF
	FromOIF
	FromIIFName
	FromOIFName
	FromMark
	fromSender
	fromRandom
	FromConnState
	FromConnMark
	FromConnStatus
	FromOriginalPort
	FromOriginalAddr
	FromDirection
	FromPacketType
	FromAddrType
	FromRouteBack
	FromSourceAddr
	FromSourcePort
	FromDestPort
	FromDestAddr
	FromTCPFlags
	FromConstant
)

// Condition is what a rule depends on that looks at such bytes.
func (o Origin) Condition() Condition {
	switch o {
	case FromSourceAddr:
		return Condition{Kind: SourceAddress}
	case FromSourcePort:
		return Condition{Kind: SourcePort}
	case FromIIF, FromOIF, FromIIFName, FromOIFName:
		return Condition{Kind: Interface}
	case FromMark, FromConnMark:
		return Condition{Kind: Mark}
	case FromConnState, FromConnStatus:
		return Condition{Kind: ConnectionState}
	case FromTCPFlags:
		return Condition{Kind: TCPFlags}
	case fromSender:
		return Condition{Kind: Sender}
	case fromRandom:
		return Condition{Kind: Random}
	}
	return Condition{Kind: OtherCondition}
}
