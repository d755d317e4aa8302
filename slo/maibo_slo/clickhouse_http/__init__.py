"""The embedded store behind ClickHouse's own HTTP interface, to be read and never written.

Grafana's ClickHouse data source and ClickHouse's drivers speak to a server; the embedded engine has none. This answers them in its place:
`app` speaks HTTP as a server does, `engine` runs what is asked within bounds, and `statement` decides what may be asked at all.

The embedded engine would let a SELECT read any file of this machine, write some, and ask other hosts. So nothing of a stranger's text is ever run:
the engine's own parser turns it into a tree, the tree is judged node by node against lists of what is allowed, and only text
made anew from that tree is executed, in a session that may read alone and that ends with it.
"""
