-- KEYS inbox; ARGV most entries, then fields. A node that does not read is told that it has missed
-- something in place of all that it has. Returns whether there is such a node.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local fields = {}
for at = 2, #ARGV do
  fields[#fields + 1] = ARGV[at]
end
local waiting = redis.call('XLEN', KEYS[1])
if waiting >= tonumber(ARGV[1]) then
  redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
  redis.call('XADD', KEYS[1], '*', 'k', 'missed', 'm', waiting)
end
redis.call('XADD', KEYS[1], '*', unpack(fields))
return 1
