-- KEYS aliases of a node; ARGV alias. The node is about to have it.
return redis.call('SADD', KEYS[1], ARGV[1])
