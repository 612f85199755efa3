-- KEYS record, topics; ARGV epoch, milliseconds until an alias that nobody needs is forgotten.
-- Returns who has the alias now.
local record = KEYS[1]
local epoch = redis.call('HGET', record, 'e')
if not epoch or tonumber(epoch) > tonumber(ARGV[1]) then
  return redis.call('HGET', record, 'o') or ''
end
redis.call('HDEL', record, 'o')
if redis.call('HEXISTS', record, 'n') == 0 and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('PEXPIRE', record, ARGV[2])
end
return ''
