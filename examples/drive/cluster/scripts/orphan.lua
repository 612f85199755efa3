-- KEYS record; ARGV node. Nobody has what a dead node had: should it come back, a later epoch has
-- begun. Returns that, or 0 if the alias is not the node's.
local owner = redis.call('HGET', KEYS[1], 'o')
if not owner or string.match(owner, '^%d+') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'o')
return redis.call('HINCRBY', KEYS[1], 'e', 1)
